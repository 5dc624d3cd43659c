"""One place to run: a zygote in its sandbox, and how a run is asked of it. One run at a time."""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import msgspec

from perpend.errors import SandboxUnavailable
from perpend.sandbox.cgroups import Cgroup
from perpend.sandbox.contract import DEFAULT_LIMITS, Limits, Outcome
from perpend.sandbox.inside.confine import RunBounds, Setup

_START_S = 30.0
_GRACE_S = 3.0
"""How long after its deadline a run may take to be gone; one that takes longer loses its slot."""
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_READ = 1 << 16
_TIMES = ("wall", "cpu")
_SIGNALS = {
    **{number.value: number.name for number in signal.Signals},
    signal.SIGXCPU: "cpu",
    signal.SIGXFSZ: "disk",
}
_WATCHED = (*_TIMES, "memory", "processes")
"""What the supervisor ends a run for. It was there: its word goes before what is found afterwards."""


@dataclass(frozen=True)
class SlotLaunch:
    command: list[str]
    """The channel's descriptor is added as its last argument."""
    setup: Setup
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    locks: tuple[int, ...] = ()
    """Descriptors that the slot's processes hold as long as they live; `Slot.start` closes ours."""


class Slot:
    def __init__(self, process: Process, channel: socket.socket, cgroup: Cgroup | None) -> None:
        self._process = process
        self._channel = channel
        self._cgroup = cgroup
        self._closed = False

    @property
    def usable(self) -> bool:
        return not self._closed and self._process.returncode is None

    @classmethod
    async def start(cls, launch: SlotLaunch, name: str) -> Self:
        """Raises SandboxUnavailable with what it said."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.command,
                str(theirs.fileno()),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
                env=launch.environment,
                cwd="/",
                pass_fds=[theirs.fileno(), *launch.locks],
                start_new_session=True,
            )
        finally:
            theirs.close()
            _close(launch.locks)
        slot = cls(process, ours, Cgroup.make(name))
        try:
            await slot._greet(launch.setup)
        except BaseException:
            await slot.aclose()
            raise
        return slot

    async def _greet(self, setup: Setup) -> None:
        groups = self._cgroup.join() if self._cgroup else []
        try:
            socket.send_fds(self._channel, [msgspec.json.encode(asdict(setup))], groups)
            async with asyncio.timeout(_START_S):
                ready = await self._heard()
        except (TimeoutError, OSError):
            ready = b""
        finally:
            _close(groups)
        if not ready:
            said = (await self._end()).decode(errors="replace").strip().splitlines()
            raise SandboxUnavailable(said[-1] if said else "it ended before it was ready")

    async def _heard(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._channel, 64)

    async def run(
        self, program: bytes, stdin: bytes = b"", limits: Limits = DEFAULT_LIMITS, judge: bytes | None = None
    ) -> Outcome:
        """Nothing of the program is left when it returns or is cancelled.

        Raises SandboxUnavailable where the slot broke: it isn't `usable` then.
        """
        if self._cgroup:
            self._cgroup.limit(limits)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)

        def stop() -> None:
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_WR)  # not a message: an unread one would reset the connection

        outputs = [_Output(limits.output_bytes, stop) for _ in range(2)]
        report_file = _report_file(limits.output_bytes)
        with ours:
            try:
                self._ask(theirs, [program, stdin], outputs, judge, report_file, limits)
                told = await self._finish(ours, limits, stop)
            finally:
                for output in outputs:
                    output.finish()
                report = _report_in(report_file)
        return self._outcome(told, outputs, report)

    def _ask(
        self,
        control: socket.socket,
        texts: list[bytes],
        outputs: list["_Output"],
        judge: bytes | None,
        report_file: int,
        limits: Limits,
    ) -> None:
        files = [_sealed(text) for text in texts]
        bounds = RunBounds(
            wall_s=limits.wall_s,
            cpu_s=limits.cpu_s,
            memory_bytes=limits.memory_bytes,
            processes=limits.processes,
            disk_bytes=limits.disk_bytes,
            judge=judge is not None,
        )
        given = [*files, outputs[0].theirs, outputs[1].theirs]
        if judge is not None:
            files.append(_sealed(judge))
            given += [files[-1], report_file]
        try:
            socket.send_fds(self._channel, [msgspec.json.encode(asdict(bounds))], [control.fileno(), *given])
        except OSError as error:
            self._closed = True
            raise SandboxUnavailable(f"the sandbox has gone: {error.strerror}") from None
        finally:
            control.close()
            _close([*files, *(output.theirs for output in outputs)])

    async def _finish(
        self, control: socket.socket, limits: Limits, stop: Callable[[], None]
    ) -> dict[str, Any]:
        """What the supervisor says, once nothing of the run is left. A cancelled run is stopped first."""
        told = asyncio.create_task(self._told(control, limits))
        try:
            return await asyncio.shield(told)
        except asyncio.CancelledError:
            stop()
            with contextlib.suppress(SandboxUnavailable):
                await told
            raise

    async def _told(self, control: socket.socket, limits: Limits) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limits.wall_s + _GRACE_S):
                said = await loop.sock_recv(control, _READ)
                ready = await self._heard()
        except (TimeoutError, OSError):
            said = ready = b""
        if not (said and ready):
            await self.aclose()
            raise SandboxUnavailable("the sandbox broke: its supervisor is gone")
        report = msgspec.json.decode(said, type=dict[str, Any])
        if "failed" in report:
            await self.aclose()
            raise SandboxUnavailable(f"the sandbox can't start a program: {report['failed']}")
        return report

    def _outcome(self, told: dict[str, Any], outputs: list["_Output"], report: bytes) -> Outcome:
        exit_code = os.waitstatus_to_exitcode(told["status"])
        stdout, stderr = (bytes(output.data).decode(errors="replace") for output in outputs)
        out_of_memory = self._cgroup is not None and self._cgroup.out_of_memory()
        killed_by = told["killed_by"]
        if killed_by not in _WATCHED:
            if out_of_memory:
                killed_by = "memory"
            elif any(output.overflowed for output in outputs):
                killed_by = "output"
            elif killed_by is None:
                killed_by = _by_itself(exit_code, stderr)
        return Outcome(
            stdout=stdout,
            stderr=stderr,
            exit_code=exit_code if exit_code >= 0 else 128 - exit_code,
            timed_out=killed_by in _TIMES,
            killed_by=killed_by,
            wall_s=told["wall_s"],
            cpu_s=told["cpu_s"],
            report=report,
        )

    async def aclose(self) -> None:
        """Ends the zygote, and with it whatever still runs."""
        self._closed = True
        self._channel.close()
        await self._end()
        if self._cgroup:
            cgroup, self._cgroup = self._cgroup, None
            await cgroup.remove()

    async def _end(self) -> bytes:
        """What it said; all of it has gone by then, since each process of it has that pipe."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        assert self._process.stderr is not None
        said = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                said = await self._process.stderr.read()
        await self._process.wait()
        return said


class _Output:
    """A pipe that is read as it fills; too much in it stops whoever writes."""

    def __init__(self, most: int, stop: Callable[[], None]) -> None:
        self.data = bytearray()
        self.overflowed = False
        self._most = most
        self._stop = stop
        self._ours, self.theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._ours, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ours, self._read)

    def _read(self) -> bool:
        """Whether there may be more."""
        try:
            data = os.read(self._ours, _READ)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._ours)
            return False
        room = self._most - len(self.data)
        self.data += data[:room]
        if len(data) > room and not self.overflowed:
            self.overflowed = True
            self._stop()
        return True

    def finish(self) -> None:
        """Takes what is left, now that nobody writes any more."""
        while self._read():
            pass
        self._loop.remove_reader(self._ours)
        os.close(self._ours)


def _sealed(data: bytes) -> int:
    """A file in memory that can't be changed."""
    fd = os.memfd_create("perpend", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def _report_file(size: int) -> int:
    """A file in memory of that size, which none of its readers and writers can make larger."""
    fd = os.memfd_create("perpend", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return fd


def _report_in(file: int) -> bytes:
    """What was written from its beginning on; the file is gone then."""
    # where there is room for nothing, there is no hole either
    written = os.lseek(file, 0, os.SEEK_HOLE) if os.fstat(file).st_size else 0
    data = os.pread(file, written, 0)
    os.close(file)
    return data.partition(b"\0")[0]


def _close(descriptors: Iterable[int]) -> None:
    for fd in descriptors:
        os.close(fd)


def _by_itself(exit_code: int, stderr: str) -> str | None:
    """The limit or the signal that a program ended at without being ended by who watched it."""
    if exit_code < 0:
        return _SIGNALS.get(-exit_code, f"signal {-exit_code}")
    last = stderr.rstrip().rpartition("\n")[2]
    return "memory" if exit_code == 1 and last.startswith("MemoryError") else None
