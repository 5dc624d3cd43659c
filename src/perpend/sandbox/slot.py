"""A slot: one zygote process in a sandbox, which runs one program at a time."""

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
"""Seconds after its deadline in which a run must be gone; else its slot is closed."""
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_READ_BYTES = 1 << 16
_TIME_LIMITS = ("wall", "cpu")
_SIGNAL_CAUSES = {
    **{number.value: number.name for number in signal.Signals},
    signal.SIGXCPU: "cpu",
    signal.SIGXFSZ: "disk",
}
_SUPERVISED = (*_TIME_LIMITS, "memory", "processes")
"""Limits that the supervisor watches; its finding precedes any that is made after the run."""


@dataclass(frozen=True)
class SlotLaunch:
    """How to start a slot's zygote."""

    command: list[str]
    """The command line; `Slot.start` appends the channel's descriptor."""
    setup: Setup
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    locks: tuple[int, ...] = ()
    """Descriptors that the slot's processes hold as long as they live; `Slot.start` closes ours."""


class Slot:
    """A started zygote."""

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
        """Starts the zygote. Raises SandboxUnavailable with the last line of its stderr, and OSError."""
        parent_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent_end.setblocking(False)
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.command,
                str(child_end.fileno()),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
                env=launch.environment,
                cwd="/",
                pass_fds=[child_end.fileno(), *launch.locks],
                start_new_session=True,
            )
        finally:
            child_end.close()
            _close(launch.locks)
        slot = cls(process, parent_end, Cgroup.make(name))
        try:
            await slot._handshake(launch.setup)
        except BaseException:
            await slot.aclose()
            raise
        return slot

    async def _handshake(self, setup: Setup) -> None:
        groups = self._cgroup.open_procs() if self._cgroup else []
        try:
            socket.send_fds(self._channel, [msgspec.json.encode(asdict(setup))], groups)
            async with asyncio.timeout(_START_S):
                ready = await self._receive_ready()
        except (TimeoutError, OSError):
            ready = b""
        finally:
            _close(groups)
        if not ready:
            lines = (await self._kill()).decode(errors="replace").strip().splitlines()
            raise SandboxUnavailable(lines[-1] if lines else "it ended before it was ready")

    async def _receive_ready(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._channel, 64)

    async def run(
        self, program: bytes, stdin: bytes = b"", limits: Limits = DEFAULT_LIMITS, judge: bytes | None = None
    ) -> Outcome:
        """Runs a program; none of its processes is left on return, or once a cancellation is through.

        Raises SandboxUnavailable where the slot breaks, which isn't `usable` then.
        """
        if self._cgroup:
            self._cgroup.limit(limits)
        parent_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent_end.setblocking(False)

        def stop() -> None:
            with contextlib.suppress(OSError):
                parent_end.shutdown(socket.SHUT_WR)  # not a message: an unread one would reset the connection

        outputs = [_Output(limits.output_bytes, stop) for _ in range(2)]
        report_file = _report_file(limits.output_bytes)
        with parent_end:
            try:
                self._send_run(child_end, [program, stdin], outputs, judge, report_file, limits)
                exit_report = await self._finish(parent_end, limits, stop)
            finally:
                for output in outputs:
                    output.finish()
                report = _take_report(report_file)
        return self._outcome(exit_report, outputs, report)

    def _send_run(
        self,
        control: socket.socket,
        inputs: list[bytes],
        outputs: list["_Output"],
        judge: bytes | None,
        report_file: int,
        limits: Limits,
    ) -> None:
        files = [_sealed_file(text) for text in inputs]
        bounds = RunBounds(
            wall_s=limits.wall_s,
            cpu_s=limits.cpu_s,
            memory_bytes=limits.memory_bytes,
            processes=limits.processes,
            disk_bytes=limits.disk_bytes,
            judge=judge is not None,
        )
        descriptors = [*files, outputs[0].write_end, outputs[1].write_end]
        if judge is not None:
            files.append(_sealed_file(judge))
            descriptors += [files[-1], report_file]
        try:
            socket.send_fds(
                self._channel, [msgspec.json.encode(asdict(bounds))], [control.fileno(), *descriptors]
            )
        except OSError as error:
            self._closed = True
            raise SandboxUnavailable(f"the sandbox is gone: {error.strerror}") from None
        finally:
            control.close()
            _close([*files, *(output.write_end for output in outputs)])

    async def _finish(
        self, control: socket.socket, limits: Limits, stop: Callable[[], None]
    ) -> dict[str, Any]:
        """Waits for the supervisor's report, and stops the run first where it is cancelled."""
        exit_report = asyncio.create_task(self._receive_exit_report(control, limits))
        try:
            return await asyncio.shield(exit_report)
        except asyncio.CancelledError:
            stop()
            with contextlib.suppress(SandboxUnavailable):
                await exit_report
            raise

    async def _receive_exit_report(self, control: socket.socket, limits: Limits) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limits.wall_s + _GRACE_S):
                message = await loop.sock_recv(control, _READ_BYTES)
                ready = await self._receive_ready()
        except (TimeoutError, OSError):
            message = ready = b""
        if not (message and ready):
            await self.aclose()
            raise SandboxUnavailable("the sandbox broke: its supervisor is gone")
        report = msgspec.json.decode(message, type=dict[str, Any])
        if "failed" in report:
            await self.aclose()
            raise SandboxUnavailable(f"the sandbox can't start a program: {report['failed']}")
        return report

    def _outcome(self, exit_report: dict[str, Any], outputs: list["_Output"], report: bytes) -> Outcome:
        exit_code = os.waitstatus_to_exitcode(exit_report["status"])
        stdout, stderr = (bytes(output.data).decode(errors="replace") for output in outputs)
        out_of_memory = self._cgroup is not None and self._cgroup.out_of_memory()
        killed_by = exit_report["killed_by"]
        if killed_by not in _SUPERVISED:
            if out_of_memory:
                killed_by = "memory"
            elif any(output.overflowed for output in outputs):
                killed_by = "output"
            elif killed_by is None:
                killed_by = _exit_cause(exit_code, stderr)
        return Outcome(
            stdout=stdout,
            stderr=stderr,
            exit_code=exit_code if exit_code >= 0 else 128 - exit_code,
            timed_out=killed_by in _TIME_LIMITS,
            killed_by=killed_by,
            wall_s=exit_report["wall_s"],
            cpu_s=exit_report["cpu_s"],
            report=report,
        )

    async def aclose(self) -> None:
        """Kills the zygote, and with it all that still runs."""
        self._closed = True
        self._channel.close()
        await self._kill()
        if self._cgroup:
            cgroup, self._cgroup = self._cgroup, None
            await cgroup.remove()

    async def _kill(self) -> bytes:
        """Kills the zygote and returns its stderr, whose pipe closes once all its processes have ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        assert self._process.stderr is not None
        stderr = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                stderr = await self._process.stderr.read()
        await self._process.wait()
        return stderr


class _Output:
    """A pipe that is read as it fills; the run is stopped once more than `max_bytes` came."""

    def __init__(self, max_bytes: int, stop: Callable[[], None]) -> None:
        self.data = bytearray()
        self.overflowed = False
        self._max_bytes = max_bytes
        self._stop = stop
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_end, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_end, self._read)

    def _read(self) -> bool:
        """Reads once; returns whether there may be more."""
        try:
            data = os.read(self._read_end, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._read_end)
            return False
        remaining = self._max_bytes - len(self.data)
        self.data += data[:remaining]
        if len(data) > remaining and not self.overflowed:
            self.overflowed = True
            self._stop()
        return True

    def finish(self) -> None:
        """Reads the rest, once no process writes any more, and closes the pipe."""
        while self._read():
            pass
        self._loop.remove_reader(self._read_end)
        os.close(self._read_end)


def _sealed_file(data: bytes) -> int:
    """A read-only file in memory."""
    fd = os.memfd_create("perpend", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def _report_file(size: int) -> int:
    """A file in memory of a fixed size in bytes."""
    fd = os.memfd_create("perpend", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return fd


def _take_report(file: int) -> bytes:
    """Reads what was written, up to the first NUL, and closes the file."""
    # SEEK_HOLE fails in an empty file
    written = os.lseek(file, 0, os.SEEK_HOLE) if os.fstat(file).st_size else 0
    data = os.pread(file, written, 0)
    os.close(file)
    return data.partition(b"\0")[0]


def _close(descriptors: Iterable[int]) -> None:
    for fd in descriptors:
        os.close(fd)


def _exit_cause(exit_code: int, stderr: str) -> str | None:
    """The limit or signal that ended a program which the supervisor didn't end; None where it ended by itself."""
    if exit_code < 0:
        return _SIGNAL_CAUSES.get(-exit_code, f"signal {-exit_code}")
    last = stderr.rstrip().rpartition("\n")[2]
    return "memory" if exit_code == 1 and last.startswith("MemoryError") else None
