"""What a dialect is: an HTTP API that clients speak, turned into requests and back."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from msgspec import Struct

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.types import Answer, Event, Request


class Parsed(Struct, frozen=True, gc=False):
    """What the endpoint needs of a body: the request itself and how to send its answer."""

    request: Request
    stream: bool
    include_usage: bool = False
    keep: Callable[[Answer], Awaitable[None]] | None = None
    """What has to be stored before the client sees the end of its answer."""


P = TypeVar("P", bound=Parsed)


class Stream(Protocol):
    """Renders one streamed answer."""

    done: bool
    """The last bytes of the stream were rendered."""
    tells: ClassVar[frozenset[str]]
    """Codes of errors that clients look for in the stream alone, even where it hasn't begun."""

    @property
    def keep_alive(self) -> bytes:
        """Sent now and then while nothing else is."""
        ...

    def render(self, batch: Sequence[Event]) -> bytes:
        """What the batch looks like on the wire; empty when nothing of it is for the client."""
        ...

    def fail(self, error: PerpendError) -> bytes:
        """The end of a stream that can't go on."""
        ...


class Dialect(Protocol[P]):
    source: str
    """The door's name in the ledger."""

    def parse(self, body: bytes, config: Config, key_id: str | None) -> P:
        """Raises BadRequest naming the field."""
        ...

    def whole(self, answer: Answer, parsed: P) -> bytes: ...

    def stream(self, parsed: P) -> Stream: ...

    def failure(self, error: PerpendError) -> Any:
        """The body of an error's HTTP answer."""
        ...
