"""What a dialect is: an HTTP API of clients, read into requests and written from answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from msgspec import Struct

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.types import Answer, Event, Request


class Parsed(Struct, frozen=True, gc=False):
    """A parsed body: the request, and how to send its answer."""

    request: Request
    stream: bool
    include_usage: bool = False
    keep: Callable[[Answer], Awaitable[None]] | None = None
    """Stores the answer; awaited before the client gets the end of it."""


P = TypeVar("P", bound=Parsed)


class Stream(Protocol):
    """Renders one streamed answer."""

    done: bool
    """Whether the last bytes of the stream were rendered."""
    stream_only_codes: ClassVar[frozenset[str]]
    """Codes of errors that are sent as stream events even before the stream has begun: clients read them only there."""

    @property
    def keep_alive(self) -> bytes:
        """Bytes to send while nothing else is sent, against idle timeouts."""
        ...

    def render(self, batch: Sequence[Event]) -> bytes:
        """The batch's bytes on the wire; empty when no event of it is for the client."""
        ...

    def fail(self, error: PerpendError) -> bytes:
        """The last bytes of a failed stream."""
        ...


class Dialect(Protocol[P]):
    """Reads bodies of one API into requests, and writes its answers, streams and errors."""

    source: str
    """The endpoint's name in the ledger."""

    def parse(self, body: bytes, config: Config, key_id: str | None) -> P:
        """The body as a request. Raises BadRequest naming the field."""
        ...

    def whole(self, answer: Answer, parsed: P) -> bytes:
        """The JSON body of an answer that isn't streamed."""
        ...

    def stream(self, parsed: P) -> Stream:
        """The renderer of one streamed answer."""
        ...

    def failure(self, error: PerpendError) -> Any:
        """The body of an error's HTTP response."""
        ...
