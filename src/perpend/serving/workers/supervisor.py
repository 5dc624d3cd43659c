"""Starts a worker for each listener, replaces workers that die, and stops all of them."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Sequence

from perpend.errors import PerpendError
from perpend.serving.server import GRACE_S
from perpend.serving.workers.hub import Hub

_log = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.1
_TRIES = 5
"""Failed starts of a worker in a row after which the gateway ends, since its listener isn't served."""
_KILL_AFTER_S = GRACE_S + 5
"""Seconds after which a stopping worker is killed."""


class _WorkerSlot:
    """The listener and the index of a worker and of its replacements."""

    def __init__(self, index: int, listener: socket.socket) -> None:
        self.index = index
        self.listener = listener
        self.process: asyncio.subprocess.Process | None = None
        self.was_ready = False
        """Whether its last worker accepted requests."""


class WorkerSupervisor:
    """Runs one worker process in each slot."""

    def __init__(self, command: Sequence[str], listeners: Sequence[socket.socket], hub: Hub) -> None:
        """`command` starts a worker; the descriptors of its channel and of its listener are appended."""
        self._command = command
        self._hub = hub
        self._slots = [_WorkerSlot(index, listener) for index, listener in enumerate(listeners)]
        self._stopping = asyncio.Event()
        self._failure: PerpendError | None = None
        self._on_ready = lambda: None

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Runs until `stop` and the end of all workers; `on_ready` is called once all accept requests.

        Raises PerpendError where a worker fails to start several times in a row.
        """
        self._on_ready = on_ready
        pushing = asyncio.create_task(self._hub.push_state())
        killing = asyncio.create_task(self._kill_after_grace())
        try:
            await asyncio.gather(*map(self._keep_running, self._slots))
        finally:
            pushing.cancel()
            killing.cancel()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Makes workers finish their requests and accept no more; a second call ends them without waiting."""
        if self._stopping.is_set():
            self._hub.hurry()  # no second signal: service managers send them to every process themselves
        self._stopping.set()
        for slot in self._slots:
            slot.listener.close()
            self._send(slot, signal.SIGTERM)

    async def _keep_running(self, slot: _WorkerSlot) -> None:
        failures = 0
        while not self._stopping.is_set():
            slot.was_ready = False
            status = await self._run_worker(slot)
            if self._stopping.is_set():
                return
            failures = 0 if slot.was_ready else failures + 1
            ended = f"worker {slot.index} {_ending(status)}"
            if failures == _TRIES:
                self._failure = PerpendError(
                    f"{ended}, for the {_TRIES}th time in a row before it took a request",
                    hint="what it said is above; `perpend doctor` checks the config, the store and the engine",
                )
                self.stop()
                return
            delay_s = _FIRST_DELAY_S * 2 ** max(0, failures - 1)
            _log.error("%s; another takes its place in %g s", ended, delay_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()

    async def _run_worker(self, slot: _WorkerSlot) -> int:
        """Starts a worker, waits for its end and returns its exit status. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = (theirs.fileno(), slot.listener.fileno())
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, descriptors),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C goes to the supervisor only, which stops its workers
            )
        slot.process = process
        if self._stopping.is_set():  # stopped while the process started
            self._send(slot, signal.SIGTERM)
        channel = await self._hub.connect(slot.index, ours, lambda: self._ready(slot))
        status = await process.wait()
        slot.process = None
        await self._hub.disconnect(slot.index, channel)
        return status

    def _ready(self, slot: _WorkerSlot) -> None:
        slot.was_ready = True
        if all(one.was_ready for one in self._slots):
            self._on_ready()
            self._on_ready = lambda: None

    async def _kill_after_grace(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(_KILL_AFTER_S)
        for slot in self._slots:
            self._send(slot, signal.SIGKILL)

    def _send(self, slot: _WorkerSlot, number: signal.Signals) -> None:
        if slot.process is not None:
            with contextlib.suppress(ProcessLookupError):
                slot.process.send_signal(number)


def _ending(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
