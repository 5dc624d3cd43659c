"""Reads a response that is streamed as JSON events: the loop that all wires share."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perpend.backends.contract import CallEvent, Upstream
from perpend.backends.lenient import Halves, Lenient
from perpend.backends.refused import refused_params
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
"""Seconds that the end of a body is waited for after its last event."""
_DONE = b"[DONE]"


class Decoders(Generic[E]):
    """Decode one event of type `E`, or an array of them, which is faster than one by one."""

    def __init__(self, kind: type[E], joined: Callable[[list[E]], list[E]] | None = None) -> None:
        """`joined` makes of events that came together fewer that say the same."""
        self.single = Lenient(kind)
        self._array = msgspec.json.Decoder(list[kind])
        self._joined = joined

    def decode_array(self, payloads: list[bytes]) -> list[E]:
        """Raises ValueError or RecursionError where one of them isn't as it should be."""
        events = self._array.decode(b"[%b]" % b",".join(payloads))
        return events if self._joined is None or len(events) == 1 else self._joined(events)


class StreamDecoder(ABC, Generic[E]):
    """Turns one response into events."""

    def __init__(self, origin: str, decoders: Decoders[E], speech: Speech) -> None:
        self.failure: UpstreamError | None = None
        """The error to raise once all events before it are delivered."""
        self.done = False
        """The server has marked the end of the response."""
        self.pending = False
        """The response is a background one that isn't finished."""
        self.speech = speech
        self._origin = origin
        self._decoders = decoders
        self._halves = Halves()
        self._last_payload = b""
        """The last payload, which may hold an error where the response broke off."""

    def read(self, payloads: list[bytes]) -> list[CallEvent]:
        """Decodes the payloads of one read; sets `failure` where one is damaged or an error."""
        batch: list[CallEvent] = []
        if self.done:
            return batch
        self._last_payload = payloads[-1] if payloads else self._last_payload
        if ended := _DONE in payloads:
            payloads = payloads[: payloads.index(_DONE)]
        damage = None
        try:
            events = self._decoders.decode_array(payloads)
        except UNREADABLE:
            events, done_seen, damage = self._decode_each(payloads)
            ended = ended or done_seen
        for event in events:
            self.take(event, batch)
            if self.done or self.failure is not None:
                return batch
        if damage is None:
            self.done = ended
        elif self.end() is None:  # damage after the end doesn't count
            self.failure = malformed(self._origin, damage)
        return batch

    @abstractmethod
    def take(self, event: E, batch: list[CallEvent]) -> None:
        """Appends the event's content to `batch`, or sets `failure`."""

    @abstractmethod
    def end(self) -> CallEnded | None:
        """The end of the response; None where it isn't complete."""

    def whole(self, body: bytes) -> list[CallEvent]:
        """Decodes a response that wasn't streamed, or a stream that came as one body. Raises UpstreamError."""
        objects = json_objects(body)
        batch = self.read_object(objects[0]) if len(objects) == 1 else self.read(objects)
        if self.failure is not None:
            raise self.failure
        if self.pending:
            return batch
        return [*batch, *self.rest(), self.ended(self._origin)]

    def read_object(self, body: bytes) -> list[CallEvent]:
        """Decodes a response that is one object. Raises UpstreamError."""
        batch = self.read([body])
        self.done = True
        if self.failure is None and self.end() is None:
            raise refusal(self._origin, body, status=200)
        return batch

    def rest(self) -> list[CallEvent]:
        """The events held until the end of the response."""
        batch: list[CallEvent] = []
        end = None if self.failure is not None else self.end()
        self.speech.close(batch, ended=end is not None, cut=end is not None and end.reason == "length")
        return batch

    def ended(self, where: str) -> CallEnded:
        """The end of the response. Raises UpstreamError where it stopped in the middle."""
        if (end := self.end()) is None:
            message = error_message_in(self._last_payload)
            detail = f": {message}" if message else ""
            problem, hint = f"{where} ended the stream in the middle", "the answer so far is kept"
            raise UpstreamError(f"{problem}{detail}", hint=hint, redacted=ClientMessage(problem, hint))
        if end.usage is not None:
            end.usage = self.speech.counted(end.usage)
        return end

    def provider_state(self, data: str) -> ProviderState:
        return ProviderState(self._origin, data)

    def add_provider_state(self, data: str, batch: list[CallEvent]) -> None:
        """Adds the state that the vendor wants back with the thought before it."""
        self.speech.add_provider_state(ProviderStateDelta(self.provider_state(data)), batch)

    def fail(self, error: Any) -> None:
        """Sets `failure` from the error of an event, in any shape."""
        self.failure = failure(f"{self._origin} failed in the middle", error)

    def _decode_each(self, payloads: list[bytes]) -> tuple[list[E], bool, ValueError | None]:
        """Decodes payloads one by one up to damage: the events, whether the end was among them, and the damage."""
        events: list[E] = []
        try:
            for payload in payloads:
                if payload.strip() == _DONE:
                    return events, True, None
                events += [
                    self.mended(item, self._decoders.single)
                    for item in json_objects(payload)
                    if item.startswith(b"{")  # else it's no event
                ]
        except ValueError as error:
            return events, False, error
        return events, False, None

    def mended(self, payload: bytes, decoder: Lenient[T]) -> T:
        """Decodes a payload, repairing split or damaged characters. Raises ValueError."""
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
    """Merges counts: fields that the later ones leave out, or have as 0, keep their value."""
    if before is None or latest is None:
        return before if latest is None else latest
    fields: dict[str, Any] = {}
    for name in before.__struct_fields__:
        earlier, later = getattr(before, name), getattr(latest, name)
        if isinstance(earlier, Struct):
            fields[name] = merged(earlier, later)
        elif earlier and not later:
            fields[name] = earlier
    return replace(latest, **fields) if fields else latest


BodyFor = Callable[[str], Awaitable[Any]]
"""Builds the body for the server at a base URL, which it may query first."""


async def relay(
    upstream: Upstream,
    path: str,
    body: Any,
    decoder: StreamDecoder[Any],
    framing: Framing | None = None,
    *,
    thinking_params: Callable[[], Mapping[str, Any]] = dict,
) -> AsyncGenerator[list[CallEvent], None]:
    """POST `body`, or what a `BodyFor` makes, or GET where it is None, and yield what its response says; closing it
    cancels the call.

    `thinking_params()` are those in the body. Raises UpstreamError, which names those that are refused.
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
        if decoder.failure is not None or decoder.end() is None:  # else the response was complete
            error.refuses = refused_params(error, thinking_params())
            if rest := decoder.rest():
                yield rest
            raise
    if rest := decoder.rest():
        yield rest
    yield [decoder.ended(upstream.provider.name)]


async def _drain(reads: AsyncGenerator[Any, float | None]) -> None:
    """Reads to the body's end, so that the connection can be reused; servers that leave it open aren't waited for."""
    with suppress(StopAsyncIteration, UpstreamError):
        while True:
            await reads.asend(_END_S)
