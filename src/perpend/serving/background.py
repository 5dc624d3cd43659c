"""Background responses: they run without a client, and their event streams can be read again at any time."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from perpend.errors import PerpendError
from perpend.observability.metrics import Metrics
from perpend.serving import errors
from perpend.serving.completions import Solver
from perpend.serving.dialects.openai_responses import OpenAIResponsesDialect
from perpend.serving.dialects.openai_responses_answer import (
    failed_response,
    failure_of,
    unanswered_response,
)
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import ResponseBody
from perpend.serving.dialects.openai_responses_stream import failed_event
from perpend.serving.workers.peers import Peers
from perpend.storage.rows import ResponseRow
from perpend.types import Event

T = TypeVar("T")

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


def last_number(events: bytes) -> int:
    """Of some events, each complete."""
    found = _NUMBER.search(events.rstrip().rpartition(b"\n\n")[2])
    assert found is not None
    return int(found[1])


def stored_events(row: ResponseRow, after: int) -> bytes:
    """Those that a finished stream is stored with, after the one of this number."""
    return events_after(after, zlib.decompress(row.events))


def abandoned(row: ResponseRow) -> dict[str, Any]:
    """The body of a queued response whose process is gone."""
    error = msgspec.to_builtins(failure_of(STOPPED))
    return msgspec.json.decode(row.body) | {"status": "failed", "error": error}


class LogTail(Struct, frozen=True):
    """The events of a stream since a reader's last position."""

    events: bytes
    at: int
    """The reader's next position."""
    over: bool


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

    async def tail(self, at: int) -> LogTail:
        """The events after the position `at`; waits until there are some."""
        while at == len(self._pieces) and not self._closed:
            await self._grown.wait()
        return LogTail(b"".join(self._pieces[at:]), len(self._pieces), self._closed)

    async def after(self, number: int) -> AsyncIterator[bytes]:
        """The events after this sequence number, up to the stream's end."""
        tail = LogTail(b"", 0, over=False)
        while not tail.over:
            tail = await self.tail(tail.at)
            if later := events_after(number, tail.events):
                yield later


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


class _TailRequest(Struct, frozen=True):
    """A call to the worker that makes a response; `at` as in `EventLog.tail`."""

    id: str
    at: int


class BackgroundRequests:
    """Runs background requests. They count towards `serve.max_concurrent`, and end with the process.

    The stored response says how each ended.
    """

    def __init__(self, dialect: OpenAIResponsesDialect, solver: Solver, metrics: Metrics) -> None:
        self._dialect = dialect
        self._solver = solver
        self._metrics = metrics
        self._peers: Peers | None = None
        self._running: dict[str, _Run] = {}

    def join(self, peers: Peers) -> None:
        """Read and stop the responses of other workers, and let them do so with this one's."""
        self._peers = peers
        peers.handle("response.runs", str, self._runs_here)
        peers.handle("response.tail", _TailRequest, self._tail_here)
        peers.handle("response.cancel", str, self._cancel_here)

    async def start(self, parsed: ResponsesParsed) -> ResponseBody:
        """Store the response as queued, and start it. Raises PerpendError; then nothing was started."""
        await self._solver.check(parsed.request)
        queued = unanswered_response(parsed, "queued")
        await self._dialect.store(queued, parsed)
        run = self._running[parsed.id] = _Run(parsed, self._dialect)
        run.task = asyncio.create_task(self._run(run))
        run.task.add_done_callback(lambda _: self._running.pop(parsed.id, None))
        return queued

    def log(self, id_: str) -> EventLog | None:
        """The event log of a response that is running in this process and streamed; None for any other."""
        run = self._running.get(id_)
        return None if run is None else run.log

    async def runs(self, id_: str) -> bool:
        """Whether the response is under way, in this process or in another."""
        return bool(await self._runs_here(id_) or await self._call_peers("response.runs", id_, bool))

    async def events(self, row: ResponseRow, after: int) -> AsyncIterator[bytes] | None:
        """Of one that is under way and streamed: what comes after the event of this number."""
        if (log := self.log(row.id)) is not None:
            return log.after(after)
        if self._peers is None or row.status != "queued":
            return None
        tail = await self._call_peers("response.tail", _TailRequest(row.id, 0), LogTail)
        return None if tail is None else self._elsewhere(row, after, tail)

    async def cancel(self, id_: str) -> None:
        """Stop a running response; it is stored as cancelled, unless it has finished. Raises StorageError."""
        if not await self._cancel_here(id_):
            await self._call_peers("response.cancel", id_, bool)

    async def aclose(self) -> None:
        """Stop all running responses; they are stored as failed."""
        tasks = [run.task for run in self._running.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _call_peers(self, subject: str, body: Any, type_: type[T]) -> T | None:
        return None if self._peers is None else await self._peers.call(subject, body, type_)

    async def _runs_here(self, id_: str) -> bool | None:
        return True if id_ in self._running else None

    async def _tail_here(self, wanted: _TailRequest) -> LogTail | None:
        log = self.log(wanted.id)
        return None if log is None else await log.tail(wanted.at)

    async def _cancel_here(self, id_: str) -> bool | None:
        run = self._running.get(id_)
        if run is None or run.task is None:
            return None
        run.cancelled = True
        run.task.cancel()
        await asyncio.wait([run.task])
        row = self._dialect.get(id_, run.parsed.key_id, "id")
        if row.status == "queued":
            await self._finish(run, unanswered_response(run.parsed, "cancelled"))
        return True

    async def _elsewhere(self, row: ResponseRow, after: int, tail: LogTail | None) -> AsyncIterator[bytes]:
        """The stream that another worker writes, which ends in `response.failed` where that worker dies."""
        while tail is not None:
            if fresh := events_after(after, tail.events):
                yield fresh
                after = last_number(fresh)
            if tail.over:
                return
            tail = await self._call_peers("response.tail", _TailRequest(row.id, tail.at), LogTail)
        row = self._dialect.get(row.id, row.key_id, "id")
        yield stored_events(row, after) if row.events else failed_event(after + 1, abandoned(row))

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
