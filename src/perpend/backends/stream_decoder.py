"""Reading a response that is streamed as JSON events: the loop that all wires share."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perpend.backends.contract import CallEvent, Upstream
from perpend.backends.lenient import Halves, Lenient
from perpend.backends.refused import refused_asks
from perpend.backends.speech import Speech
from perpend.errors import UNREADABLE, ClientMessage, UpstreamError
from perpend.transport.client import Framing
from perpend.transport.failures import error_message_in, failure, malformed, refusal
from perpend.transport.ndjson import json_objects
from perpend.transport.sse import SSEParser
from perpend.types import CallEnded, ProviderState, ProviderStateDelta

E = TypeVar("E")
T = TypeVar("T")
C = TypeVar("C", bound=Struct)

_END_S = 0.2
"""For which a body's end is waited for after the last event."""
_DONE = b"[DONE]"


class Decoders(Generic[E]):
    """For one event of type `E`, and for many: a call for each costs more than its work."""

    def __init__(self, kind: type[E], joined: Callable[[list[E]], list[E]] | None = None) -> None:
        """`joined`: those that came together as fewer that say the same."""
        self.one = Lenient(kind)
        self._many = msgspec.json.Decoder(list[kind])
        self._joined = joined

    def many(self, payloads: list[bytes]) -> list[E]:
        """Raises ValueError or RecursionError where one of them isn't as it should be."""
        events = self._many.decode(b"[%b]" % b",".join(payloads))
        return events if self._joined is None or len(events) == 1 else self._joined(events)


class StreamDecoder(ABC, Generic[E]):
    """What one response has said so far."""

    def __init__(self, origin: str, decoders: Decoders[E], speech: Speech) -> None:
        self.failure: UpstreamError | None = None
        """Raised once everything before it was handed on."""
        self.done = False
        """The server said that nothing more comes, however it said so."""
        self.waits = False
        """It is only the promise of a response."""
        self.speech = speech
        self._origin = origin
        self._decoders = decoders
        self._halves = Halves()
        self._latest = b""
        """The last that it said, which may tell why nothing followed."""

    def read(self, payloads: list[bytes]) -> list[CallEvent]:
        """The events of one read."""
        batch: list[CallEvent] = []
        if self.done:
            return batch
        self._latest = payloads[-1] if payloads else self._latest
        if over := _DONE in payloads:
            payloads = payloads[: payloads.index(_DONE)]
        damage = None
        try:
            events = self._decoders.many(payloads)
        except UNREADABLE:
            events, odd, damage = self._one_by_one(payloads)
            over = over or odd
        for event in events:
            self.take(event, batch)
            if self.done or self.failure is not None:
                return batch
        if damage is None:
            self.done = over
        elif self.end() is None:  # else it follows the end, and takes nothing from it
            self.failure = malformed(self._origin, damage)
        return batch

    @abstractmethod
    def take(self, event: E, batch: list[CallEvent]) -> None:
        """Append what the event says to `batch`, or set `failure`."""

    @abstractmethod
    def end(self) -> CallEnded | None:
        """None: the response isn't at its end."""

    def whole(self, body: bytes) -> list[CallEvent]:
        """The events of a response that wasn't streamed, or of those of a stream in one body. Raises UpstreamError."""
        said = json_objects(body)
        batch = self.one(said[0]) if len(said) == 1 else self.read(said)
        if self.failure is not None:
            raise self.failure
        if self.waits:
            return batch
        return [*batch, *self.rest(), self.ended(self._origin)]

    def one(self, body: bytes) -> list[CallEvent]:
        """What a response says that is one object. Raises UpstreamError."""
        batch = self.read([body])
        self.done = True
        if self.failure is None and self.end() is None:
            raise refusal(self._origin, body, status=200)
        return batch

    def rest(self) -> list[CallEvent]:
        """What was held back until the end."""
        batch: list[CallEvent] = []
        end = None if self.failure is not None else self.end()
        self.speech.close(batch, ended=end is not None, cut=end is not None and end.reason == "length")
        return batch

    def ended(self, where: str) -> CallEnded:
        """Raises UpstreamError where a response stopped in the middle."""
        if (end := self.end()) is None:
            said = f": {said}" if (said := error_message_in(self._latest)) else ""
            what, hint = f"{where} ended the stream in the middle", "the answer so far is kept"
            raise UpstreamError(f"{what}{said}", hint=hint, redacted=ClientMessage(what, hint))
        if end.usage is not None:
            end.usage = self.speech.counted(end.usage)
        return end

    def provider_state(self, data: str) -> ProviderState:
        return ProviderState(self._origin, data)

    def add_provider_state(self, data: str, batch: list[CallEvent]) -> None:
        """What the vendor wants back of the thought before it."""
        self.speech.add_provider_state(ProviderStateDelta(self.provider_state(data)), batch)

    def fail(self, error: Any) -> None:
        """`error` is what an error event holds, in any shape."""
        self.failure = failure(f"{self._origin} failed in the middle", error)

    def _one_by_one(self, payloads: list[bytes]) -> tuple[list[E], bool, ValueError | None]:
        """Where one is odd or damaged, what came before it isn't lost. Also whether they are over, and the damage."""
        events: list[E] = []
        try:
            for payload in payloads:
                if payload.strip() == _DONE:
                    return events, True, None
                events += [
                    self.mended(said, self._decoders.one)
                    for said in json_objects(payload)
                    if said.startswith(b"{")  # else it's no event
                ]
        except ValueError as error:
            return events, False, error
        return events, False, None

    def mended(self, payload: bytes, decoder: Lenient[T]) -> T:
        """What it is, letters that were damaged on the way made whole. Raises ValueError."""
        try:
            return decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            mended = self._halves.mend(payload.decode(errors="replace").encode())
            if mended == payload:
                raise
            return decoder.decode(mended)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error


def merged(before: C | None, latest: C | None) -> C | None:
    """Counts as they were told last: what a later count leaves out, or has as 0, stays as it was."""
    if before is None or latest is None:
        return before if latest is None else latest
    kept: dict[str, Any] = {}
    for name in before.__struct_fields__:
        old, new = getattr(before, name), getattr(latest, name)
        if isinstance(old, Struct):
            kept[name] = merged(old, new)
        elif old and not new:
            kept[name] = old
    return replace(latest, **kept) if kept else latest


BodyFor = Callable[[str], Awaitable[Any]]
"""Makes the body for the server at this URL, which it may ask first."""


async def relay(
    upstream: Upstream,
    path: str,
    body: Any,
    decoder: StreamDecoder[Any],
    framing: Framing | None = None,
    *,
    asks: Callable[[], Mapping[str, Any]] = dict,
) -> AsyncGenerator[list[CallEvent], None]:
    """POST `body`, or what a `BodyFor` makes, or GET where it is None, and yield what its response says; closing it
    cancels the call.

    `asks()` is what of the body asks for thinking. Raises UpstreamError, which says what of them is refused.
    """
    base = await upstream.url()
    if callable(body):
        body = await cast("BodyFor", body)(base)
    sent = None if body is None else msgspec.json.encode(body)
    framing = framing or SSEParser()
    reads = upstream.http.stream(base + path, sent, upstream.account, framing)
    try:
        async with aclosing(reads):
            async for payloads in reads:
                if framing.whole:
                    yield decoder.whole(payloads[0])
                    return
                if batch := decoder.read(payloads):
                    yield batch
                if decoder.failure is not None:
                    raise decoder.failure
                if decoder.done:
                    await _drain(reads)
                    break
    except UpstreamError as error:
        if decoder.failure is not None or decoder.end() is None:  # else all was said
            error.refuses = refused_asks(error, asks())
            if rest := decoder.rest():
                yield rest
            raise
    if rest := decoder.rest():
        yield rest
    yield [decoder.ended(upstream.provider.name)]


async def _drain(reads: AsyncGenerator[Any, float | None]) -> None:
    """A connection that is read to its end is used again. Some servers leave it open: nobody waits for these."""
    with suppress(StopAsyncIteration, UpstreamError):
        while True:
            await reads.asend(_END_S)
