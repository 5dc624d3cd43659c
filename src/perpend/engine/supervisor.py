"""One model's engine: a child process that is started, watched, restarted and stopped."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Literal

import msgspec

from perpend.config.schema import EngineConfig
from perpend.engine.child import CANT_START, EngineLaunch, Listening
from perpend.engine.gguf import read_facts
from perpend.engine.log import EngineLog
from perpend.engine.machine import settings, this_machine
from perpend.errors import ClientMessage, EngineError

_log = logging.getLogger(__name__)

State = Literal["stopped", "starting", "ready", "failed"]

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0
_HEALTHY_S = 60.0
"""Seconds of running after which earlier failures no longer count."""
_TRIES = 5
_COOL_DOWN_S = 30.0
_POLL_S = 0.05
_LOG_END_S = 1.0
"""Seconds that the rest of an ended engine's log is waited for."""
_SHORT_SPIN = {"GOMP_SPINCOUNT": "1000"}
"""Threads that wait for each other sleep soon: spinning for long, they starve on a busy machine (decision 0005)."""


def file_version(path: Path) -> str:
    """Another one once the file was written anew; empty where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}"


class _ProcessEnded(Exception):
    """The process ended before it was ready."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Engine:
    """One model's engine: `ready` starts it where needed; it is restarted when it dies."""

    def __init__(self, name: str, path: Path, config: EngineConfig, *, home: Path, context: int) -> None:
        self.name = name
        self.path = path
        self.restarts = 0
        self.slots = 1
        """Calls that it takes at once; 1 until it has started."""
        self.weights = ""
        """The version of the file that it has loaded: see `file_version`."""
        self._config = config
        self._context = context
        self._log = EngineLog(home / "logs" / f"engine-{name.replace(os.sep, '_')}.log")
        self._logging: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._url: str | None = None
        self._starting: asyncio.Task[str] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._failures = 0
        self._restart_at = 0.0
        """Loop time at which it is started again after a failure."""
        self._error: EngineError | None = None

    @property
    def state(self) -> State:
        if self._url is not None:
            return "ready"
        if self._starting is not None and not self._starting.done() and not self._cooling_down:
            return "starting"
        return "stopped" if self._error is None else "failed"

    @property
    def problem(self) -> str | None:
        """Why it can't answer now, as clients are told; None where it can, or is being started."""
        return None if self._error is None else self._error.client_message.message

    @property
    def _cooling_down(self) -> bool:
        """Whether it failed too often, so that requests don't wait for its next start."""
        return self._failures >= _TRIES and asyncio.get_running_loop().time() < self._restart_at

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def ready(self) -> str:
        """The server's base URL, once it answers; many may wait for one start.

        Raises EngineError with the log's last lines when it can't start.
        """
        if self._url is not None:
            return self._url
        if self._error is not None and self._cooling_down:
            raise self._cooldown_error()
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start(0.0))
        return await asyncio.shield(self._starting)

    async def busy(self) -> bool:
        """Whether a request is being answered; an engine that doesn't say counts as idle."""
        if self._url is None:
            return False
        import aiohttp

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
                await self._wait_healthy(url)
        except BaseException as error:
            await self._end_process()
            if isinstance(error, TimeoutError):
                limit = f"{self._config.start_timeout_s:g} s"
                error = self._failed(f"did not start within {limit}", "raise engine.start_timeout_s")
            elif isinstance(error, OSError):
                error = self._failed(f"could not start: {error}", "see the log")
            elif isinstance(error, _ProcessEnded):
                error = self._failed(error.reason, error.hint)
            if isinstance(error, EngineError):
                self._record_failure(error)
            raise error from None
        self._url = url
        self._error = None
        self._watching = asyncio.create_task(self._watch())
        return url

    async def _launch(self) -> str:
        self.weights = file_version(self.path)
        facts = await asyncio.to_thread(read_facts, self.path)
        engine_settings = settings(self._config, this_machine(), self._context, facts)
        launch = EngineLaunch(
            model=str(self.path),
            slots=engine_settings.slots,
            context=engine_settings.context,
            threads=engine_settings.threads,
            cache_mib=engine_settings.cache_mib,
            binary=None if self._config.binary is None else str(self._config.binary),
        )
        self.slots = engine_settings.slots
        self._process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "perpend.engine.child", msgspec.json.encode(launch).decode()],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=_SHORT_SPIN | os.environ,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._logging = asyncio.create_task(self._log.record(self._process.stderr))
        line = await self._process.stdout.readline()
        if not line:
            status = await self._process.wait()
            hint = "are the weights whole? perpend models rm and pull them again"
            raise _ProcessEnded("could not start", hint if status == CANT_START else "see the log")
        return msgspec.json.decode(line, type=Listening).url

    async def _wait_healthy(self, url: str) -> None:
        import aiohttp  # a gateway without an engine does without

        assert self._process is not None
        async with aiohttp.ClientSession() as session:
            while True:
                if self._process.returncode is not None:
                    raise _ProcessEnded("ended while it started", "see the log")
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/health") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(_POLL_S)

    async def _watch(self) -> None:
        """Wait for the process to end by itself, then start another, ever later when it keeps dying."""
        assert self._process is not None
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        status = await self._process.wait()
        self._url = None
        if loop.time() - started_at >= _HEALTHY_S:
            self._failures = 0
        reason, hint = f"died: {_exit_reason(status)}", "it is started again"
        self._record_failure(self._failed(reason, hint))
        self._restart()
        await self._wait_for_log()
        _log.error("%s", self._failed(reason, hint).logged)

    def _restart(self) -> None:
        self.restarts += 1
        self._starting = asyncio.create_task(
            self._start(self._restart_at - asyncio.get_running_loop().time())
        )
        self._starting.add_done_callback(self._restarted)

    def _restarted(self, task: "asyncio.Task[str]") -> None:
        failed = not task.cancelled() and isinstance(task.exception(), EngineError)
        if failed and task is self._starting:  # else a request that came in between has started it
            self._restart()

    def _record_failure(self, error: EngineError) -> None:
        self._failures += 1
        delay_s = min(_FIRST_DELAY_S * 2 ** (self._failures - 1), _LONGEST_DELAY_S)
        if self._failures >= _TRIES:
            delay_s = _COOL_DOWN_S
        self._restart_at = asyncio.get_running_loop().time() + delay_s
        error.retry_after = delay_s
        self._error = error

    def _failed(self, reason: str, hint: str) -> EngineError:
        """Its last lines and what follows a colon in `what` are for who runs the server; clients are told the rest."""
        log = "".join(f"\n  | {line}" for line in self._log.tail)
        redacted = ClientMessage(
            f"the model's engine {reason.partition(':')[0]}", "it is started again: retry later"
        )
        return EngineError(
            f"the engine of {self.name!r} {reason}{log}", hint=f"{hint} ({self._log.path})", redacted=redacted
        )

    def _cooldown_error(self) -> EngineError:
        """The error of a request while it cools down."""
        left_s = self._restart_at - asyncio.get_running_loop().time()
        reason = f"failed {self._failures} times, and is started again in {left_s:.0f} s"
        error = self._failed(reason, "its log says why")
        error.retry_after = left_s
        return error

    async def _wait_for_log(self) -> None:
        """Wait for the rest of the ended process's log."""
        if self._logging is not None:
            await asyncio.wait([self._logging], timeout=_LOG_END_S)

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(3):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await self._wait_for_log()


def _exit_reason(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
