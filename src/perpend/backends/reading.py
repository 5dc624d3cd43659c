"""Reading a response that is streamed as JSON events: the loop that the vendors' own wires share."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec

from perpend.backends.contract import CallEvent, Upstream
from perpend.backends.http import Framing
from perpend.backends.refusals import failure, malformed, refused_asks
from perpend.backends.sse import SSEParser
from perpend.errors import UpstreamError
from perpend.types import CallEnded, Carry

E = TypeVar("E")
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Decoders(Generic[E]):
    """For one event of type `E`, and for many: a call for each costs more than its work."""

    def __init__(self, kind: type[E]) -> None:
        self.one = msgspec.json.Decoder(kind)
        self.many = msgspec.json.Decoder(list[kind])


class Reading(ABC, Generic[E]):
    """What one response has said so far."""

    def __init__(self, origin: str, decoders: Decoders[E]) -> None:
        self.failure: UpstreamError | None = None
        """Raised once everything before it was handed on."""
        self._origin = origin
        self._decoders = decoders

    def read(self, payloads: list[bytes]) -> list[CallEvent]:
        """The events of one read."""
        batch: list[CallEvent] = []
        if payloads[-1] == b"[DONE]":
            payloads = payloads[:-1]
        for event in self._decoded(payloads):
            self.take(event, batch)
            if self.failure is not None:
                break
        return batch

    @abstractmethod
    def take(self, event: E, batch: list[CallEvent]) -> None:
        """Append what the event says to `batch`, or set `failure`."""

    @abstractmethod
    def end(self) -> CallEnded | None:
        """None: the response isn't at its end."""

    def events(self, payloads: list[bytes]) -> list[CallEvent]:
        """Those of a whole response. Raises UpstreamError."""
        batch = self.read(payloads)
        if self.failure is not None:
            raise self.failure
        return [*batch, *self.rest(), self.ended(self._origin)]

    def rest(self) -> list[CallEvent]:
        """What was held back until the end."""
        return []

    def ended(self, where: str) -> CallEnded:
        """Raises UpstreamError where a response stopped in the middle."""
        if (end := self.end()) is None:
            raise UpstreamError(f"{where} ended the stream in the middle", hint="the answer so far is kept")
        return end

    def carry(self, data: str) -> Carry:
        return Carry(self._origin, data)

    def fail(self, error: Any) -> None:
        """`error` is what an error event holds, in any shape."""
        self.failure = failure(f"{self._origin} failed in the middle", error)

    def _decoded(self, payloads: list[bytes]) -> list[E]:
        """One by one where one is damaged, so that what came before it isn't lost."""
        try:
            return self._decoders.many.decode(b"[" + b",".join(payloads) + b"]")
        except ValueError:
            pass
        events: list[E] = []
        try:
            for payload in payloads:
                events.append(self._decoders.one.decode(payload))
        except ValueError as error:
            self.failure = malformed(self._origin, error)
        return events


async def relay(
    upstream: Upstream,
    path: str,
    body: Any,
    reading: Reading[Any],
    framing: Framing | None = None,
    *,
    asks: Mapping[str, Any] = NOTHING,
) -> AsyncGenerator[list[CallEvent], None]:
    """POST `body`, or GET where it is None, and yield what its response says; closing it cancels the call.

    `asks` are what of the body asks for thinking. Raises UpstreamError, which says what of them is refused.
    """
    url = f"{await upstream.url()}{path}"
    sent = None if body is None else msgspec.json.encode(body)
    reads = upstream.http.stream(url, sent, upstream.account, framing or SSEParser())
    try:
        async with aclosing(reads):
            async for payloads in reads:
                if batch := reading.read(payloads):
                    yield batch
                if reading.failure is not None:
                    raise reading.failure
    except UpstreamError as error:
        error.refuses = refused_asks(error, asks)
        raise
    if rest := reading.rest():
        yield rest
    yield [reading.ended(url)]
