"""What a dialect is: an HTTP API that clients speak, turned into requests and back."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.types import Answer, Event, Request


class Parsed(Struct, frozen=True, gc=False):
    """What the endpoint needs of a body: the request itself and how to send its answer."""

    request: Request
    stream: bool
    include_usage: bool = False


class Stream(Protocol):
    """Renders one streamed answer."""

    done: bool
    """The last bytes of the stream were rendered."""

    def render(self, batch: Sequence[Event]) -> bytes:
        """What the batch looks like on the wire; empty when nothing of it is for the client."""
        ...

    def fail(self, error: PerpendError) -> bytes:
        """The end of a stream that can't go on."""
        ...


class Dialect(Protocol):
    source: str
    """The door's name in the ledger."""

    def parse(self, body: bytes, config: Config) -> Parsed:
        """Raises BadRequest naming the field."""
        ...

    def whole(self, answer: Answer, parsed: Parsed) -> bytes: ...

    def stream(self, parsed: Parsed) -> Stream: ...
