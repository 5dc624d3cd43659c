"""Writers of responses: an answer sent whole at its end, or streamed while it is made."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from perpend.errors import PerpendError
from perpend.serving import errors, sse
from perpend.serving.asgi import JSON, Header, Send, respond
from perpend.serving.dialects.contract import Stream
from perpend.types import (
    Answer,
    AnswerDelta,
    Event,
    Finished,
    Plan,
    Started,
    ThinkingDelta,
    ToolCallDelta,
    new_id,
)

STALLED_S = 60.0
"""Seconds of a blocked write after which the client counts as gone."""

SSE_HEADERS: list[Header] = [
    (b"content-type", sse.CONTENT_TYPE),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


def request_id_header(request_id: str | None) -> Header:
    """`X-Request-Id`; a new id for a request that ended before it had one."""
    return (b"x-request-id", (request_id or new_id("req")).encode())


Failure = Callable[[PerpendError], Any]
"""Makes a dialect's body for an error."""
Keep = Callable[[Answer], Awaitable[None]]


Headers = Callable[[], Sequence[Header]]


async def refuse(
    send: Send,
    error: PerpendError,
    request_id: str | None = None,
    failure: Failure = errors.body_of,
    more: Sequence[Header] = (),
) -> None:
    """Send an error as a whole HTTP response, with `more` headers."""
    errors.report(error)
    status, headers, body = errors.encoded(error, failure(error))
    await respond(send, status, body, [JSON, request_id_header(request_id), *headers, *more])


async def send_json(
    send: Send, body: bytes, request_id: str | None = None, more: Sequence[Header] = ()
) -> None:
    """Send a JSON body with status 200, and `more` headers."""
    await respond(send, 200, body, [JSON, request_id_header(request_id), *more])


def _no_headers() -> Sequence[Header]:
    return ()


class WholeWriter:
    """Sends the body at the end; reads from the events what metrics and errors need."""

    __slots__ = ("_failure", "_headers", "_send", "_start_s", "first_token_s", "plan", "request_id")

    def __init__(self, send: Send, failure: Failure, headers: Headers = _no_headers) -> None:
        """`headers` gives those of the moment at which the head is sent."""
        self._headers = headers
        self._send = send
        self._failure = failure
        self._start_s = time.perf_counter()
        self.plan: Plan | None = None
        self.request_id: str | None = None
        self.first_token_s: float | None = None
        """Seconds from the request's arrival to its first thinking or answer token."""

    async def sink(self, batch: list[Event]) -> None:
        """Take a batch of events."""
        self._note(batch)

    async def finish(self, body: bytes) -> None:
        """Send the answer's body."""
        await send_json(self._send, body, self.request_id, self._headers())

    async def fail(self, error: PerpendError) -> None:
        """Send the error, in the form that suits what was sent before it."""
        await refuse(self._send, error, self.request_id, self._failure, self._headers())

    async def keep_alive(self) -> bool:
        """Keep an idle connection open; called now and then. False: the client has stopped reading."""
        return True

    def _note(self, batch: Sequence[Event]) -> None:
        if self.first_token_s is None and batch:
            first = batch[0]
            if isinstance(first, ThinkingDelta | AnswerDelta | ToolCallDelta):
                self.first_token_s = time.perf_counter() - self._start_s
            elif isinstance(first, Started):
                self.plan = first.plan
                self.request_id = first.request_id


class StreamWriter(WholeWriter):
    """Sends each batch of events in one write as it comes."""

    __slots__ = ("_head_sent", "_keep", "_stream", "_write_start_s")

    def __init__(
        self,
        send: Send,
        failure: Failure,
        stream: Stream,
        keep: Keep | None = None,
        headers: Headers = _no_headers,
    ) -> None:
        """`keep` stores the answer; it is awaited before the end of the answer is sent."""
        super().__init__(send, failure, headers)
        self._stream = stream
        self._keep = keep
        self._head_sent = False
        self._write_start_s: float | None = None

    async def sink(self, batch: list[Event]) -> None:
        self._note(batch)
        if self._keep is not None:
            for event in batch:
                if isinstance(event, Finished):
                    await self._keep(event.answer)
        if data := self._stream.render(batch):
            await self._write(data)

    async def fail(self, error: PerpendError) -> None:
        if not self._head_sent and error.code not in self._stream.stream_only_codes:
            await super().fail(error)
        elif not self._stream.done:
            errors.report(error)
            await self._write(self._stream.fail(error))

    async def keep_alive(self) -> bool:
        now = time.perf_counter()
        if self._write_start_s is not None:
            return now - self._write_start_s < STALLED_S
        await self._write(self._stream.keep_alive)
        return True

    async def _write(self, data: bytes) -> None:
        if not self._head_sent:
            self._head_sent = True
            headers = [*SSE_HEADERS, request_id_header(self.request_id), *self._headers()]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self._write_start_s = time.perf_counter()
        await self._send({"type": "http.response.body", "body": data, "more_body": not self._stream.done})
        self._write_start_s = None
