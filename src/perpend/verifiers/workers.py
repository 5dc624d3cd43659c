"""Verifiers whose checks have no bound in time of their own, in worker processes that can be killed."""

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
from perpend.verifiers.worker import Pair, Said

_START_S = 60.0
_BUSY = 10
"""How much longer than its own time a check may wait for a processor."""
_LONGEST_REPLY = 1 << 20
_SAID = msgspec.json.Decoder(Said)


class Workers:
    """As many processes as there are cores, each started when it's first needed and replaced when it hangs."""

    def __init__(self, module: str, extra: str = "", count: int = 0, *, timeout_s: float = 5.0) -> None:
        """`module` has `check(gold, given)`, and needs `extra`. `count` 0: one for each core that this process may
        use. `timeout_s` of a processor bound each check.
        """
        self.killed = 0
        """Workers that gave no verdict: out of time, or of memory."""
        self._module = module
        self._extra = extra
        self._timeout_s = timeout_s
        self._free: asyncio.Queue[Process | None] = asyncio.Queue()
        for _ in range(count or len(os.sched_getaffinity(0))):
            self._free.put_nowait(None)

    async def check(self, gold: str, given: str) -> Verdict | None:
        """None where it took too long. Raises BadRequest for the gold, ConfigError where the extra isn't installed."""
        worker = await self._free.get()
        line = b""
        try:
            if worker is None:
                worker = await self._started()
            # half of a surrogate pair can't be sent
            pair = Pair(*(text.encode(errors="replace").decode() for text in (gold, given)))
            line = await self._ask(worker, msgspec.json.encode(pair) + b"\n")
        except (TimeoutError, ConnectionError):
            pass
        finally:
            # one that gave no verdict still computes, or is dead: the next pair gets a new one
            if not line and worker is not None:
                await asyncio.shield(_end(worker))
                worker = None
            self._free.put_nowait(worker)
        if not line:
            self.killed += 1
            return None
        said = _SAID.decode(line)
        if said.refused:
            raise BadRequest(said.refused, field=GOLD)
        return said.verdict

    async def _ask(self, worker: Process, pair: bytes) -> bytes:
        assert worker.stdin is not None
        assert worker.stdout is not None
        async with asyncio.timeout(_BUSY * self._timeout_s):
            worker.stdin.write(pair)
            await worker.stdin.drain()
            return await worker.stdout.readline()

    async def _started(self) -> Process:
        command = (sys.executable, "-m", "perpend.verifiers.worker", self._module, str(self._timeout_s))
        worker = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=_LONGEST_REPLY
        )
        assert worker.stdout is not None
        try:
            async with asyncio.timeout(_START_S):
                ready = await worker.stdout.readline()
        except BaseException:
            await asyncio.shield(_end(worker))
            raise
        if ready != b"ready\n":
            assert worker.stderr is not None
            said = (await worker.stderr.read()).decode(errors="replace").strip().splitlines()
            await worker.wait()
            last = said[-1] if said else f"exit status {worker.returncode}"
            hint = install(f"perpend[{self._extra}]") if self._extra else None
            raise ConfigError(f"the verifier's worker can't run: {last}", hint=hint)
        return worker

    async def aclose(self) -> None:
        while not self._free.empty():
            worker = self._free.get_nowait()
            if worker is not None:
                await _end(worker)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _end(worker: Process) -> None:
    assert worker.stdout is not None
    if worker.returncode is None and not worker.stdout.at_eof():  # else it's dead already, if not yet buried
        worker.kill()
    await worker.wait()


class InWorkers(Verifier):
    """What a client or a gold may make endless: a check that takes longer than `timeout_s` hasn't passed."""

    needs_gold = True
    module: ClassVar[str]
    extra: ClassVar[str] = ""
    late: ClassVar[str]
    """The feedback of one that took too long."""

    def __init__(self, workers: int = 0, timeout_s: float = 5.0) -> None:
        self._workers = Workers(self.module, self.extra, workers, timeout_s=timeout_s)

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        verdict = await self._workers.check(task.right, candidate.answer)
        return verdict or Verdict(0.0, False, self.late)

    async def aclose(self) -> None:
        await self._workers.aclose()
