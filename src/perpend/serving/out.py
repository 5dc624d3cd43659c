"""The way out: an answer sent whole at the end, or streamed while it is made."""

import time
from collections.abc import Sequence

from perpend.errors import PerpendError
from perpend.serving import errors, sse
from perpend.serving.asgi import JSON, Header, Send, respond
from perpend.serving.dialects.contract import Stream
from perpend.types import AnswerDelta, Event, Plan, Started, ThinkingDelta, new_id

STALLED_S = 60.0
"""A client that reads nothing for so long counts as gone."""

_SSE_HEADERS: list[Header] = [
    (b"content-type", sse.CONTENT_TYPE),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


def request_id_header(request_id: str | None) -> Header:
    """`X-Request-Id`; a fresh one for what ended before it had an id."""
    return (b"x-request-id", (request_id or new_id("req")).encode())


async def refuse(send: Send, error: PerpendError, request_id: str | None = None) -> None:
    """The error as a whole HTTP answer."""
    status, headers, body = errors.encoded(error)
    await respond(send, status, body, [JSON, request_id_header(request_id), *headers])


class Whole:
    """Hears the events only for what metrics and errors need of them; the body is sent at the end."""

    __slots__ = ("_began", "_send", "first_token_s", "plan", "request_id")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._began = time.perf_counter()
        self.plan: Plan | None = None
        self.request_id: str | None = None
        self.first_token_s: float | None = None
        """From the request's arrival to its first thinking or answer token."""

    async def sink(self, batch: list[Event]) -> None:
        self._note(batch)

    async def finish(self, body: bytes) -> None:
        await respond(self._send, 200, body, [JSON, request_id_header(self.request_id)])

    async def fail(self, error: PerpendError) -> None:
        await refuse(self._send, error, self.request_id)

    async def keep_alive(self) -> bool:
        """Called now and then while nothing else happens; False: the client doesn't read any more."""
        return True

    def _note(self, batch: Sequence[Event]) -> None:
        if self.first_token_s is None and batch:
            first = batch[0]
            if isinstance(first, ThinkingDelta | AnswerDelta):
                self.first_token_s = time.perf_counter() - self._began
            elif isinstance(first, Started):
                self.plan = first.plan
                self.request_id = first.request_id


class Streamed(Whole):
    """Sends each batch of events as it comes, in one write."""

    __slots__ = ("_head_sent", "_stream", "_waiting_since")

    def __init__(self, send: Send, stream: Stream) -> None:
        super().__init__(send)
        self._stream = stream
        self._head_sent = False
        self._waiting_since: float | None = None

    async def sink(self, batch: list[Event]) -> None:
        self._note(batch)
        if data := self._stream.render(batch):
            await self._write(data)

    async def fail(self, error: PerpendError) -> None:
        if not self._head_sent:
            await refuse(self._send, error, self.request_id)
        elif not self._stream.done:
            await self._write(self._stream.fail(error))

    async def keep_alive(self) -> bool:
        now = time.perf_counter()
        if self._waiting_since is not None:
            return now - self._waiting_since < STALLED_S
        await self._write(sse.KEEP_ALIVE)
        return True

    async def _write(self, data: bytes) -> None:
        if not self._head_sent:
            self._head_sent = True
            headers = [*_SSE_HEADERS, request_id_header(self.request_id)]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self._waiting_since = time.perf_counter()
        await self._send({"type": "http.response.body", "body": data, "more_body": not self._stream.done})
        self._waiting_since = None
