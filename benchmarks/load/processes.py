"""Processes on a core of their own, and what they cost: CPU and memory of the whole process tree (Linux)."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
from collections.abc import Generator
from pathlib import Path
from time import monotonic, sleep

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Running:
    """A started process and its descendants."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, name: str) -> None:
        self.process, self.log, self.name = process, log, name
        self.start_s = 0.0

    def pids(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += map(int, children.read_text().split())
        return found

    def cpu_s(self) -> float:
        """User and system time so far."""
        return sum(cpu_of(pid) for pid in self.pids())

    def memory_mib(self) -> float:
        """Resident memory; pages shared between its processes count once."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def pause(self) -> None:
        """Stopped gateways can't disturb the one being measured."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait_ready(self, port: int, path: str, timeout_s: float = 120.0) -> None:
        """Until GET `path` answers 200; raises SystemExit with the log's end when it doesn't."""
        began = monotonic()
        while self.process.poll() is None and monotonic() - began < timeout_s:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                with contextlib.closing(connection):
                    connection.request("GET", path)
                    if connection.getresponse().status == 200:
                        self.start_s = monotonic() - began
                        return
            sleep(0.05)
        raise SystemExit(f"{self.name} didn't get ready:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.resume()
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, its reaped children's not included; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def machine_cpu_s() -> float:
    """Seconds of CPU that the whole machine has spent working since it started, all cores together."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + softirq) / TICKS_PER_S


@contextlib.contextmanager
def started(
    name: str, command: list[str], *, core: int | None, env: dict[str, str], home: Path
) -> Generator[Running]:
    """Run `command` in `home`, pinned to `core`; its process group ends with the block."""
    log = home / f"{name}.log"
    mine = os.sched_getaffinity(0)
    with log.open("wb") as out:
        try:
            if core is not None:
                os.sched_setaffinity(0, {core})  # the child inherits it from its first instruction
            process = subprocess.Popen(
                command, stdout=out, stderr=out, env=env, cwd=home, start_new_session=True
            )
        finally:
            os.sched_setaffinity(0, mine)
    running = Running(process, log, name)
    try:
        yield running
    finally:
        running.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
