"""Reading a response that is streamed as JSON events: the loop that all wires share."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from perpend.backends.contract import CallEvent, Upstream
from perpend.backends.http import Framing
from perpend.backends.lenient import Halves, Lenient
from perpend.backends.refusals import failure, malformed, refusal
from perpend.backends.refused import refused_asks
from perpend.backends.speech import Speech
from perpend.backends.sse import SSEParser
from perpend.errors import UpstreamError
from perpend.types import CallEnded, Carried, Carry

E = TypeVar("E")
C = TypeVar("C", bound=Struct)

_DONE = b"[DONE]"
_EXCERPT = 300
_NOT_YET = ("", "null", "none")


class Decoders(Generic[E]):
    """For one event of type `E`, and for many: a call for each costs more than its work."""

    def __init__(self, kind: type[E]) -> None:
        self.one = Lenient(kind)
        self.many = msgspec.json.Decoder(list[kind])


class Reading(ABC, Generic[E]):
    """What one response has said so far."""

    def __init__(self, origin: str, decoders: Decoders[E], speech: Speech) -> None:
        self.failure: UpstreamError | None = None
        """Raised once everything before it was handed on."""
        self.done = False
        """The server said that nothing more comes, however it said so."""
        self.speech = speech
        self._origin = origin
        self._decoders = decoders
        self._halves = Halves()
        self._aside = ""
        """The last that it said beside its events."""

    def read(self, payloads: list[bytes]) -> list[CallEvent]:
        """The events of one read."""
        batch: list[CallEvent] = []
        if self.done:
            return batch
        if _DONE in payloads:
            self.done = True
            payloads = payloads[: payloads.index(_DONE)]
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

    def whole(self, body: bytes) -> list[CallEvent]:
        """The events of a response that wasn't streamed. Raises UpstreamError."""
        batch = self.read(self._objects(body))
        if self.failure is not None:
            raise self.failure
        self.done = True
        if self.end() is None:
            raise refusal(self._origin, body, status=200)
        return [*batch, *self.rest(), self.ended(self._origin)]

    def rest(self) -> list[CallEvent]:
        """What was held back until the end."""
        batch: list[CallEvent] = []
        self.speech.close(batch, ended=self.failure is None and self.end() is not None)
        return batch

    def ended(self, where: str) -> CallEnded:
        """Raises UpstreamError where a response stopped in the middle."""
        if (end := self.end()) is None:
            said = f": {self._aside}" if self._aside else ""
            raise UpstreamError(
                f"{where} ended the stream in the middle{said}", hint="the answer so far is kept"
            )
        return end

    def carry(self, data: str) -> Carry:
        return Carry(self._origin, data)

    def carried(self, data: str, batch: list[CallEvent]) -> None:
        """What the vendor wants back of the thought before it."""
        self.speech.carried(Carried(self.carry(data)), batch)

    def fail(self, error: Any) -> None:
        """`error` is what an error event holds, in any shape."""
        self.failure = failure(f"{self._origin} failed in the middle", error)

    def _objects(self, body: bytes) -> list[bytes]:
        """Those that a body holds: it is one, or a list of them. Raises UpstreamError."""
        kind = list[Raw] if body.lstrip()[:1] == b"[" else Raw
        try:
            try:
                found = msgspec.json.decode(body, type=kind)
            except msgspec.DecodeError:
                found = msgspec.json.decode(self._halves.mend(body), type=kind)
        except ValueError as error:
            raise malformed(self._origin, error) from error
        return [bytes(one) for one in found] if isinstance(found, list) else [bytes(found)]

    def _decoded(self, payloads: list[bytes]) -> list[E]:
        """One by one where one is odd or damaged, so that what came before it isn't lost."""
        try:
            return self._decoders.many.decode(b"[" + b",".join(payloads) + b"]")
        except ValueError:
            pass
        events: list[E] = []
        try:
            for payload in payloads:
                if payload.lstrip()[:1] == b"{":
                    events.append(self._one(payload))
                else:  # no object, so no event
                    self._aside = payload[:_EXCERPT].decode(errors="replace")
        except ValueError as error:
            self.failure = malformed(self._origin, error)
        return events

    def _one(self, payload: bytes) -> E:
        try:
            return self._decoders.one.decode(payload)
        except msgspec.DecodeError:
            mended = self._halves.mend(payload)
            if mended == payload:
                raise
            return self._decoders.one.decode(mended)


def why(word: str | None) -> str | None:
    """It ended, by what a server says of that; None: it goes on, which many say in a word."""
    return None if word is None or word.strip().lower() in _NOT_YET else word


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


async def relay(
    upstream: Upstream,
    path: str,
    body: Any,
    reading: Reading[Any],
    framing: Framing | None = None,
    *,
    asks: Callable[[], Mapping[str, Any]] = dict,
) -> AsyncGenerator[list[CallEvent], None]:
    """POST `body`, or GET where it is None, and yield what its response says; closing it cancels the call.

    `asks()` is what of the body asks for thinking. Raises UpstreamError, which says what of them is refused.
    """
    url = f"{await upstream.url()}{path}"
    sent = None if body is None else msgspec.json.encode(body)
    framing = framing or SSEParser()
    reads = upstream.http.stream(url, sent, upstream.account, framing)
    try:
        async with aclosing(reads):
            async for payloads in reads:
                if framing.whole:
                    if batch := reading.whole(payloads[0]):
                        yield batch
                    reading.ended(url)
                    return
                if batch := reading.read(payloads):
                    yield batch
                if reading.failure is not None:
                    raise reading.failure
    except UpstreamError as error:
        error.refuses = refused_asks(error, asks())
        if rest := reading.rest():
            yield rest
        raise
    if rest := reading.rest():
        yield rest
    yield [reading.ended(url)]
