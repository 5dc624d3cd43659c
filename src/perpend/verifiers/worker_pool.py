"""Runs checks that may take endless time in worker processes, which are killed when they do."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from typing import ClassVar, Self

import msgspec

from perpend.errors import BadRequest, ConfigError
from perpend.extras import install
from perpend.types import Candidate, Verdict
from perpend.verifiers.contract import GOLD, Task, Verifier
from perpend.verifiers.worker_main import Pair, WorkerReply

_START_S = 60.0
_WALL_PER_CPU = 10
"""A check's limit on the clock, as a multiple of its CPU time: a busy machine may keep it waiting."""
_MAX_REPLY_BYTES = 1 << 20
_REPLY = msgspec.json.Decoder(WorkerReply)


class Workers:
    """A pool of worker processes, each started when it's first needed and replaced when it hangs."""

    def __init__(self, module: str, extra: str = "", count: int = 0, *, timeout_s: float = 5.0) -> None:
        """`module`: has `check(gold, given)` and `read_gold(gold)`, and may need an `extra`. `count`: processes;
        0: one for each core that this process may use. `timeout_s`: CPU seconds of each check.
        """
        self.killed = 0
        """Workers that gave no verdict: they ran out of time or memory."""
        self._module = module
        self._extra = extra
        self._timeout_s = timeout_s
        self._free: asyncio.Queue[asyncio.Task[Process] | None] = asyncio.Queue()
        self._ending: set[asyncio.Task[None]] = set()
        for _ in range(count or len(os.sched_getaffinity(0))):
            self._free.put_nowait(None)

    async def read_gold(self, gold: str) -> None:
        """Raises BadRequest for a bad gold, and ConfigError where the extra isn't installed."""
        read = await self.check(gold, None)
        if read is None or not read.passed:
            raise BadRequest(read.feedback if read else "reading the gold took too long", field=GOLD)

    async def check(self, gold: str, given: str | None) -> Verdict | None:
        """The verdict; None where it took too long. Raises as `read_gold` does."""
        slot = await self._free.get() or asyncio.create_task(self._started())
        line = b""
        try:
            worker = await asyncio.shield(slot)  # a caller cancelled meanwhile leaves it to the next one
            pair = Pair(_sendable(gold), None if given is None else _sendable(given))
            line = await self._ask(worker, msgspec.json.encode(pair) + b"\n")
        except (TimeoutError, ConnectionError):
            pass
        finally:
            # a worker without a verdict is dead or still computes: replace it in the background
            if line or not slot.done():
                self._free.put_nowait(slot)
            else:
                ending = asyncio.create_task(self._replace(slot))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
        if not line:
            self.killed += 1
            return None
        reply = _REPLY.decode(line)
        if reply.refused:
            raise BadRequest(reply.refused, field=GOLD)
        return reply.verdict

    async def _replace(self, slot: asyncio.Task[Process]) -> None:
        await _end(slot)
        self._free.put_nowait(None)

    async def _ask(self, worker: Process, pair: bytes) -> bytes:
        assert worker.stdin is not None
        assert worker.stdout is not None
        async with asyncio.timeout(_WALL_PER_CPU * self._timeout_s):
            worker.stdin.write(pair)
            await worker.stdin.drain()
            return await worker.stdout.readline()

    async def _started(self) -> Process:
        command = (sys.executable, "-m", "perpend.verifiers.worker_main", self._module, str(self._timeout_s))
        worker = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=_MAX_REPLY_BYTES
        )
        assert worker.stdout is not None
        try:
            async with asyncio.timeout(_START_S):
                ready = await worker.stdout.readline()
        except BaseException:
            await asyncio.shield(_kill(worker))
            raise
        if ready != b"ready\n":
            assert worker.stderr is not None
            lines = (await worker.stderr.read()).decode(errors="replace").strip().splitlines()
            await worker.wait()
            last = lines[-1] if lines else f"exit status {worker.returncode}"
            hint = install(f"perpend[{self._extra}]") if self._extra else None
            raise ConfigError(f"the verifier's worker can't run: {last}", hint=hint)
        return worker

    async def aclose(self) -> None:
        await asyncio.gather(*self._ending)
        while not self._free.empty():
            slot = self._free.get_nowait()
            if slot is not None:
                await _end(slot)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _sendable(text: str) -> str:
    """The text with lone surrogates, which JSON can't carry, replaced."""
    return text.encode(errors="replace").decode()


async def _end(slot: asyncio.Task[Process]) -> None:
    """End a worker that has started, is starting, or failed to."""
    slot.cancel()
    await asyncio.wait([slot])
    if not slot.cancelled() and slot.exception() is None:
        await _kill(slot.result())


async def _kill(worker: Process) -> None:
    assert worker.stdout is not None
    if worker.returncode is None and not worker.stdout.at_eof():  # else it is dead already, if not reaped
        worker.kill()
    await worker.wait()


class WorkerVerifier(Verifier):
    """The base of verifiers that check in worker processes: one that takes longer than `timeout_s` doesn't pass."""

    needs_gold = True
    module: ClassVar[str]
    extra: ClassVar[str] = ""
    timeout_feedback: ClassVar[str]
    """The feedback for a check that took too long."""

    def __init__(self, workers: int = 0, timeout_s: float = 5.0) -> None:
        self._workers = Workers(self.module, self.extra, workers, timeout_s=timeout_s)

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        verdict = await self._workers.check(task.required_gold, candidate.answer)
        return verdict or Verdict(0.0, False, self.timeout_feedback)

    async def check(self, task: Task) -> None:
        await self._workers.read_gold(task.required_gold)

    async def aclose(self) -> None:
        await self._workers.aclose()
