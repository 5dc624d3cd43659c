"""Keeps a worker alive for each listener: starts it, starts another when it dies, and stops all of them."""

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
"""Times that a worker may end in a row before it takes requests: then nobody would serve its listener."""
_KILL_AFTER_S = GRACE_S + 5
"""A worker that was told to stop, and hasn't by itself."""


class _Place:
    """A worker's listener and its index, whoever has them now."""

    def __init__(self, index: int, listener: socket.socket) -> None:
        self.index = index
        self.listener = listener
        self.process: asyncio.subprocess.Process | None = None
        self.listened = False
        """Its last worker took requests."""


class WorkerSupervisor:
    def __init__(self, command: Sequence[str], listeners: Sequence[socket.socket], hub: Hub) -> None:
        """`command` starts a worker; it gets the descriptors of its channel and of its listener as arguments."""
        self._command = command
        self._hub = hub
        self._places = [_Place(index, listener) for index, listener in enumerate(listeners)]
        self._stopping = asyncio.Event()
        self._stops = 0
        self._failure: PerpendError | None = None
        self._all_listen = lambda: None

    async def run(self, all_listen: Callable[[], None]) -> None:
        """Until it is stopped and all workers have ended; `all_listen` is called once every one takes requests.

        Raises PerpendError where a worker can't be started.
        """
        self._all_listen = all_listen
        telling = asyncio.create_task(self._hub.tell())
        killing = asyncio.create_task(self._kill_late())
        try:
            await asyncio.gather(*map(self._keep, self._places))
        finally:
            telling.cancel()
            killing.cancel()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Have every worker take no more and finish what is under way; a second call has them stop waiting."""
        self._stopping.set()
        self._stops += 1
        for place in self._places:
            place.listener.close()
            self._send(place, signal.SIGTERM)

    async def _keep(self, place: _Place) -> None:
        failures = 0
        while not self._stopping.is_set():
            place.listened = False
            status = await self._live(place)
            if self._stopping.is_set():
                return
            failures = 0 if place.listened else failures + 1
            ended = f"worker {place.index} {_ending(status)}"
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

    async def _live(self, place: _Place) -> int:
        """One worker's life; returns its exit status."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = (theirs.fileno(), place.listener.fileno())
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, descriptors),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C is for the supervisor, which says it to them once
            )
        place.process = process
        if self._stopping.is_set():  # meanwhile
            self._send(place, signal.SIGTERM)
        channel = await self._hub.connect(place.index, ours, lambda: self._listens(place))
        status = await process.wait()
        place.process = None
        await self._hub.disconnect(place.index, channel)
        return status

    def _listens(self, place: _Place) -> None:
        place.listened = True
        if all(one.listened for one in self._places):
            self._all_listen()
            self._all_listen = lambda: None

    async def _kill_late(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(_KILL_AFTER_S)
        for place in self._places:
            self._send(place, signal.SIGKILL)

    def _send(self, place: _Place, number: signal.Signals) -> None:
        if place.process is not None:
            with contextlib.suppress(ProcessLookupError):
                place.process.send_signal(number)


def _ending(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
