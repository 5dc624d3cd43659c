"""Background responses: they run without a client, and their event streams can be read again at any time."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator

from perpend.errors import PerpendError
from perpend.observability.metrics import Metrics
from perpend.serving import errors
from perpend.serving.completions import Solver
from perpend.serving.dialects.openai_responses import OpenAIResponsesDialect
from perpend.serving.dialects.openai_responses_answer import failed_response, unanswered_response
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import ResponseBody
from perpend.types import Event

STOPPED = PerpendError("the server stopped before the answer was made", hint="send the request again")
_NUMBER = re.compile(rb'"sequence_number":(\d+)')


def events_after(number: int, events: bytes) -> bytes:
    """The events of a stream after this sequence number; -1 gives all."""
    later: list[bytes] = []
    for event in events.split(b"\n\n"):
        match = _NUMBER.search(event)
        if match is not None and int(match[1]) > number:
            later.append(event + b"\n\n")
    return b"".join(later)


class EventLog:
    """The events of a stream so far, for readers that may join at any time."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._closed = False
        self._grown = asyncio.Event()

    @property
    def so_far(self) -> bytes:
        """All bytes written so far."""
        return b"".join(self._pieces)

    def write(self, data: bytes, *, last: bool = False) -> None:
        """Append events; `last` closes the log."""
        self._pieces.append(data)
        self._closed = self._closed or last
        self._grown.set()
        self._grown = asyncio.Event()

    async def after(self, number: int) -> AsyncIterator[bytes]:
        """The events after this sequence number, up to the stream's end."""
        at = 0
        while True:
            grown, data = self._grown, b"".join(self._pieces[at:])
            at = len(self._pieces)
            if events := events_after(number, data):
                yield events
            if self._closed:
                return
            if at == len(self._pieces):
                await grown.wait()


class _Run:
    """One running response."""

    def __init__(self, parsed: ResponsesParsed, dialect: OpenAIResponsesDialect) -> None:
        self.parsed = parsed
        self.task: asyncio.Task[None] | None = None
        self.log = EventLog() if parsed.stream else None
        self.cancelled = False
        self._stream = dialect.stream(parsed)
        self._last = b""

    async def sink(self, batch: list[Event]) -> None:
        if self.log is not None and (data := self._stream.render(batch)):
            if self._stream.done:  # written once the answer is stored
                self._last = data
            else:
                self.log.write(data)

    def end(self, body: ResponseBody | None = None) -> bytes:
        """The end of the stream: the answer's, or that of a response without an answer."""
        return self._last if body is None else self._stream.end_without_answer(body)

    def events(self, end: bytes) -> bytes:
        return b"" if self.log is None else zlib.compress(self.log.so_far + end, 1)


class BackgroundRequests:
    """Runs background requests. They count towards `serve.max_concurrent`, and end with the process.

    The stored response says how each ended.
    """

    def __init__(self, dialect: OpenAIResponsesDialect, solver: Solver, metrics: Metrics) -> None:
        self._dialect = dialect
        self._solver = solver
        self._metrics = metrics
        self._running: dict[str, _Run] = {}

    async def start(self, parsed: ResponsesParsed) -> ResponseBody:
        """Store the response as queued, and start it. Raises PerpendError; then nothing was started."""
        await self._solver.check(parsed.request)
        queued = unanswered_response(parsed, "queued")
        await self._dialect.store(queued, parsed)
        run = self._running[parsed.id] = _Run(parsed, self._dialect)
        run.task = asyncio.create_task(self._run(run))
        run.task.add_done_callback(lambda _: self._running.pop(parsed.id, None))
        return queued

    def runs(self, id_: str) -> bool:
        """Whether the response is running in this process."""
        return id_ in self._running

    def log(self, id_: str) -> EventLog | None:
        """The event log of a running response that is streamed; None for any other."""
        run = self._running.get(id_)
        return None if run is None else run.log

    async def cancel(self, id_: str) -> None:
        """Stop a running response; it is stored as cancelled, unless it has finished. Raises StorageError."""
        run = self._running.get(id_)
        if run is None or run.task is None:
            return
        run.cancelled = True
        run.task.cancel()
        await asyncio.wait([run.task])
        row = self._dialect.get(id_, run.parsed.key_id, "id")
        if row.status == "queued":
            await self._finish(run, unanswered_response(run.parsed, "cancelled"))

    async def aclose(self) -> None:
        """Stop all running responses; they are stored as failed."""
        tasks = [run.task for run in self._running.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, run: _Run) -> None:
        metrics, dialect, parsed = self._metrics, self._dialect, run.parsed
        metrics.in_flight += 1
        try:
            sink = run.sink if run.log is not None else None
            answer = await self._solver.solve(
                parsed.request, sink, key_id=parsed.key_id, source=dialect.source
            )
            end = run.end()
            await dialect.keep(parsed, answer, run.events(end))
            if run.log is not None:
                run.log.write(end, last=True)
            metrics.answered(answer, None)
        except asyncio.CancelledError:
            metrics.cancelled(None)
            if not run.cancelled:
                await self._finish(run, failed_response(STOPPED, parsed))
        except PerpendError as error:
            errors.report(error)
            metrics.failed(error.code)
            await self._finish(run, failed_response(error, parsed))
        except Exception as error:
            metrics.failed("internal_error")
            await self._finish(run, failed_response(errors.unexpected(error), parsed))
        finally:
            metrics.in_flight -= 1

    async def _finish(self, run: _Run, body: ResponseBody) -> None:
        """Store a response without an answer, and close its stream. Raises StorageError."""
        end = run.end(body)
        try:
            await self._dialect.store(body, run.parsed, events=run.events(end))
        finally:
            if run.log is not None:
                run.log.write(end, last=True)
