"""Responses that nobody waits for, and their streams, which anybody may come back to."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator

from perpend.errors import PerpendError
from perpend.observability.metrics import Metrics
from perpend.serving import errors
from perpend.serving.completions import Solver
from perpend.serving.dialects.openai_responses import OpenAIResponsesDialect
from perpend.serving.dialects.openai_responses_answer import failed, unfinished
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import ResponseBody
from perpend.types import Event

STOPPED = PerpendError("the server stopped before the answer was made", hint="send the request again")
_NUMBER = re.compile(rb'"sequence_number":(\d+)')


def events_after(number: int, events: bytes) -> bytes:
    """Those of a stream that come after the one of this number; -1: all."""
    kept: list[bytes] = []
    for event in events.split(b"\n\n"):
        found = _NUMBER.search(event)
        if found is not None and int(found[1]) > number:
            kept.append(event + b"\n\n")
    return b"".join(kept)


class EventLog:
    """The events of a stream so far, for readers that come when they like."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._over = False
        self._grown = asyncio.Event()

    @property
    def so_far(self) -> bytes:
        """All that was written."""
        return b"".join(self._pieces)

    def write(self, data: bytes, *, last: bool = False) -> None:
        self._pieces.append(data)
        self._over = self._over or last
        self._grown.set()
        self._grown = asyncio.Event()

    async def after(self, number: int) -> AsyncIterator[bytes]:
        """What comes after the event of this number, up to the stream's end."""
        at = 0
        while True:
            grown, data = self._grown, b"".join(self._pieces[at:])
            at = len(self._pieces)
            if fresh := events_after(number, data):
                yield fresh
            if self._over:
                return
            if at == len(self._pieces):
                await grown.wait()


class _Run:
    """One response under way."""

    def __init__(self, parsed: ResponsesParsed, dialect: OpenAIResponsesDialect) -> None:
        self.parsed = parsed
        self.task: asyncio.Task[None] | None = None
        self.log = EventLog() if parsed.stream else None
        self.cancelled = False
        self._stream = dialect.stream(parsed)
        self._last = b""

    async def sink(self, batch: list[Event]) -> None:
        if self.log is not None and (data := self._stream.render(batch)):
            if self._stream.done:  # told once the answer is stored
                self._last = data
            else:
                self.log.write(data)

    def end(self, body: ResponseBody | None = None) -> bytes:
        """The end of the stream: that of the answer, or of `body`."""
        return self._last if body is None else self._stream.over(body)

    def events(self, end: bytes) -> bytes:
        return b"" if self.log is None else zlib.compress(self.log.so_far + end, 1)


class BackgroundRequests:
    """Requests that nobody waits for: they count among those that are answered at a time, and live as long as
    this process. What is stored says how they ended.
    """

    def __init__(self, dialect: OpenAIResponsesDialect, solver: Solver, metrics: Metrics) -> None:
        self._dialect = dialect
        self._solver = solver
        self._metrics = metrics
        self._running: dict[str, _Run] = {}

    async def start(self, parsed: ResponsesParsed) -> ResponseBody:
        """Store it as queued, and begin. Raises PerpendError, and has then begun nothing."""
        await self._solver.check(parsed.request)
        queued = unfinished(parsed, "queued")
        await self._dialect.store(queued, parsed)
        run = self._running[parsed.id] = _Run(parsed, self._dialect)
        run.task = asyncio.create_task(self._run(run))
        run.task.add_done_callback(lambda _: self._running.pop(parsed.id, None))
        return queued

    def runs(self, id_: str) -> bool:
        """Whether the response is under way in this process."""
        return id_ in self._running

    def log(self, id_: str) -> EventLog | None:
        """Of one that is under way and streamed."""
        run = self._running.get(id_)
        return None if run is None else run.log

    async def cancel(self, id_: str) -> None:
        """End it, if it is under way; it is stored as cancelled unless it was done already."""
        run = self._running.get(id_)
        if run is None or run.task is None:
            return
        run.cancelled = True
        run.task.cancel()
        await asyncio.wait([run.task])
        row = self._dialect.get(id_, run.parsed.key_id, "id")
        if row.status == "queued":
            await self._finish(run, unfinished(run.parsed, "cancelled"))

    async def aclose(self) -> None:
        """End what is under way; it is stored as failed."""
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
                await self._finish(run, failed(STOPPED, parsed))
        except PerpendError as error:
            errors.report(error)
            metrics.failed(error.code)
            await self._finish(run, failed(error, parsed))
        except Exception as error:
            metrics.failed("internal_error")
            await self._finish(run, failed(errors.unexpected(error), parsed))
        finally:
            metrics.in_flight -= 1

    async def _finish(self, run: _Run, body: ResponseBody) -> None:
        """Without an answer."""
        end = run.end(body)
        try:
            await self._dialect.store(body, run.parsed, events=run.events(end))
        finally:
            if run.log is not None:
                run.log.write(end, last=True)
