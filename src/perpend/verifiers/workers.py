"""Worker processes that can be killed: what they compute has no other bound in time."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from typing import Self

import msgspec

from perpend.errors import ConfigError
from perpend.extras import install
from perpend.verifiers.worker import Pair

_START_S = 60.0
_BUSY = 10
"""How much longer than its own time a comparison may wait for a processor."""


class Workers:
    """As many processes as there are cores, each started when it's first needed and replaced when it hangs."""

    def __init__(self, count: int = 0, *, timeout_s: float = 5.0) -> None:
        """`count` 0: one for each core that this process may use. `timeout_s` of a processor bound each comparison."""
        self.killed = 0
        """Workers that gave no verdict: out of time, or of memory."""
        self._timeout_s = timeout_s
        self._free: asyncio.Queue[Process | None] = asyncio.Queue()
        for _ in range(count or len(os.sched_getaffinity(0))):
            self._free.put_nowait(None)

    async def equal(self, gold: str, given: str) -> bool | None:
        """None where it took too long. Raises ConfigError where the extra `math` isn't installed."""
        worker = await self._free.get()
        verdict = b""
        try:
            if worker is None:
                worker = await _started(self._timeout_s)
            # half of a surrogate pair can't be sent, and is no mathematics
            pair = Pair(*(text.encode(errors="replace").decode() for text in (gold, given)))
            verdict = await self._ask(worker, msgspec.json.encode(pair) + b"\n")
        except (TimeoutError, ConnectionError):
            pass
        finally:
            # one that gave no verdict still computes, or is dead: the next pair gets a new one
            if not verdict and worker is not None:
                await asyncio.shield(_end(worker))
                worker = None
            self._free.put_nowait(worker)
        if not verdict:
            self.killed += 1
            return None
        return verdict == b"1\n"

    async def _ask(self, worker: Process, pair: bytes) -> bytes:
        assert worker.stdin is not None
        assert worker.stdout is not None
        async with asyncio.timeout(_BUSY * self._timeout_s):
            worker.stdin.write(pair)
            await worker.stdin.drain()
            return await worker.stdout.readline()

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
    if worker.returncode is None:
        worker.kill()
    await worker.wait()


async def _started(timeout_s: float) -> Process:
    command = (sys.executable, "-m", "perpend.verifiers.worker", str(timeout_s))
    worker = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert worker.stdout is not None
    async with asyncio.timeout(_START_S):
        ready = await worker.stdout.readline()
    if ready != b"ready\n":
        assert worker.stderr is not None
        said = (await worker.stderr.read()).decode(errors="replace").strip().splitlines()
        await worker.wait()
        last = said[-1] if said else f"exit status {worker.returncode}"
        raise ConfigError(f"the math verifier can't run: {last}", hint=install("perpend[math]"))
    return worker
