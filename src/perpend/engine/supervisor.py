"""One model's engine: a child process that is started, watched, restarted and stopped."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Literal

import aiohttp
import msgspec

from perpend.config.schema import EngineConfig
from perpend.engine.child import CANT_START, Launch, Listening
from perpend.engine.gguf import read_facts
from perpend.engine.machine import settings, this_machine
from perpend.errors import EngineError
from perpend.private import private_file, private_folder

State = Literal["stopped", "starting", "ready", "failed"]

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0
_HEALTHY_S = 60.0
"""An engine that ran for so long starts with a clean record."""
_TRIES = 5
_COOL_DOWN_S = 30.0
_POLL_S = 0.05
_SHORT_SPIN = {"GOMP_SPINCOUNT": "1000"}
"""Threads that wait for each other sleep soon: spinning for long, they starve on a busy machine (decision 0005)."""
_TAIL = 12


class Engine:
    """`ready()` gives the address of a running server; everything else is taken care of."""

    def __init__(self, name: str, path: Path, config: EngineConfig, *, home: Path, context: int) -> None:
        self.name = name
        self.path = path
        self.restarts = 0
        self.slots = 1
        """Calls that it takes at once, as far as it has told."""
        self._config = config
        self._context = context
        self._log = home / "logs" / f"engine-{name.replace(os.sep, '_')}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._url: str | None = None
        self._starting: asyncio.Task[str] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._failures = 0
        self._failed_at = 0.0
        self._error: EngineError | None = None

    @property
    def state(self) -> State:
        if self._url is not None:
            return "ready"
        if self._starting is not None and not self._starting.done():
            return "starting"
        return "stopped" if self._error is None else "failed"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def ready(self) -> str:
        """The server's base URL, once it answers; many may wait for one start.

        Raises EngineError with the log's last lines when it can't start.
        """
        if self._url is not None:
            return self._url
        if self._starting is None or self._starting.done():
            cooling = asyncio.get_running_loop().time() - self._failed_at < _COOL_DOWN_S
            if self._error is not None and self._failures >= _TRIES and cooling:
                raise self._error
            self._starting = asyncio.create_task(self._start(0.0))
        return await asyncio.shield(self._starting)

    async def busy(self) -> bool:
        """Whether a request is being answered; an engine that doesn't say counts as idle."""
        if self._url is None:
            return False
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
                session.get(f"{self._url}/slots") as response,
            ):
                slots = msgspec.json.decode(await response.read(), type=list[dict[str, object]])
            return any(slot.get("is_processing") for slot in slots)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False

    async def stop(self) -> None:
        """End the process: its stdin is closed, and it is killed if it doesn't go."""
        for task in (self._watching, self._starting):
            if task is not None and not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, EngineError):
                    await task
        self._url = None
        await self._end_process()

    async def _start(self, delay_s: float) -> str:
        await asyncio.sleep(delay_s)
        try:
            async with asyncio.timeout(self._config.start_timeout_s):
                url = await self._launch()
                await self._healthy(url)
        except BaseException as error:
            await self._end_process()
            if isinstance(error, TimeoutError):
                limit = f"{self._config.start_timeout_s:g} s"
                error = self._failed(f"did not start within {limit}", "raise engine.start_timeout_s")
            if isinstance(error, EngineError):
                self._note(error)
            raise error from None
        self._url = url
        self._error = None
        self._watching = asyncio.create_task(self._watch())
        return url

    async def _launch(self) -> str:
        facts = await asyncio.to_thread(read_facts, self.path)
        chosen = settings(self._config, this_machine(), self._context, facts)
        launch = Launch(
            model=str(self.path),
            slots=chosen.slots,
            context=chosen.context,
            threads=chosen.threads,
            cache_mib=chosen.cache_mib,
            binary=None if self._config.binary is None else str(self._config.binary),
        )
        self.slots = chosen.slots
        private_folder(self._log.parent)
        private_file(self._log)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", "perpend.engine.child", msgspec.json.encode(launch).decode()],
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env=_SHORT_SPIN | os.environ,
            )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            status = await self._process.wait()
            hint = "are the weights whole? perpend models rm and pull them again"
            raise self._failed("could not start", hint if status == CANT_START else "see the log")
        return msgspec.json.decode(line, type=Listening).url

    async def _healthy(self, url: str) -> None:
        assert self._process is not None
        async with aiohttp.ClientSession() as session:
            while True:
                if self._process.returncode is not None:
                    raise self._failed("ended while it started", "see the log")
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/health") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(_POLL_S)

    async def _watch(self) -> None:
        """Wait for the process to end by itself, then start another, ever later when it keeps dying."""
        assert self._process is not None
        loop = asyncio.get_running_loop()
        born = loop.time()
        await self._process.wait()
        self._url = None
        if loop.time() - born >= _HEALTHY_S:
            self._failures = 0
        self._note(self._failed("died", "it was restarted; see the log when that goes on"))
        if self._failures < _TRIES:
            self.restarts += 1
            delay_s = min(_FIRST_DELAY_S * 2 ** (self._failures - 1), _LONGEST_DELAY_S)
            self._starting = asyncio.create_task(self._start(delay_s))
            self._starting.add_done_callback(_seen)

    def _note(self, error: EngineError) -> None:
        self._failures += 1
        self._failed_at = asyncio.get_running_loop().time()
        self._error = error

    def _failed(self, what: str, hint: str) -> EngineError:
        try:
            lines = self._log.read_text(errors="replace").splitlines()[-_TAIL:]
        except OSError:
            lines = []
        said = "".join(f"\n  | {line}" for line in lines)
        return EngineError(f"the engine of {self.name!r} {what}{said}", hint=f"{hint} ({self._log})")

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(3):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _seen(task: "asyncio.Task[str]") -> None:
    """A failed restart is told by the next `ready()`."""
    if not task.cancelled():
        task.exception()
