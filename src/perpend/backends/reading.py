"""The loop that wires share: reads of a stream go through a reader, whose last word ends the call."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from perpend.backends.contract import CallEvent, Upstream
from perpend.errors import UpstreamError
from perpend.types import CallEnded


class Reader(Protocol):
    """One response, as it comes."""

    failure: UpstreamError | None
    """Raised once everything before it was handed on."""

    def read(self, payloads: list[bytes]) -> list[CallEvent]:
        """The events of one read."""
        ...

    def rest(self) -> list[CallEvent]:
        """What was held back until the stream's end."""
        ...

    def ended(self) -> CallEnded | None:
        """The last word; None where the stream broke off before it."""
        ...


async def relay(
    upstream: Upstream, url: str, body: bytes, reader: Reader
) -> AsyncGenerator[list[CallEvent], None]:
    reads = upstream.http.stream_sse(url, body, upstream.account)
    async with aclosing(reads):
        async for payloads in reads:
            if batch := reader.read(payloads):
                yield batch
            if reader.failure is not None:
                raise reader.failure
    rest, end = reader.rest(), reader.ended()
    if end is None:
        if rest:
            yield rest
        raise UpstreamError(f"{url} ended the stream in the middle", hint="the answer so far is kept")
    yield [*rest, end]
