"""The supervisor of one run: starts the program, kills it at its limits, and reports how it ended.

In namespaces it is pid 1 of the run: all that the program has started ends with it.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import NoReturn

from .confine import RunBounds, Setup, confine
from .landlock import Ruleset
from .libc import PR_SET_DUMPABLE, mount, prctl
from .memory import Memory, stats_of
from .program import CHANNEL, HOME, REPORT, become

_TICK_S = 0.01
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS = 1, 2, 4, 8
_INODES_PER_MB = 64
_BIND = 0x1000 | 0x4000  # with all that is mounted below it

Descriptors = dict[str, int]


class Supervisor:
    def __init__(
        self,
        setup: Setup,
        bounds: RunBounds,
        rules: Ruleset | None,
        proc: int,
        outside_pids: set[int],
        memory: Memory | None,
    ) -> None:
        """`proc`: descriptor of /proc as the zygote sees it; `outside_pids`: processes there that aren't of this run;
        `memory`: None where a cgroup counts it.
        """
        self._setup = setup
        self._bounds = bounds
        self._rules = rules
        self._proc = proc
        self._outside_pids = outside_pids
        self._memory = memory
        self._program = 0
        self._judge: int | None = None
        self._channel: socket.socket | None = None
        """The program's end of the socket, open until its status is known: a judge doesn't learn of its end first."""
        self._ended: dict[int, int] = {}
        """Process -> wait status."""

    def run(self, descriptors: Descriptors, groups: list[int]) -> NoReturn:
        """Runs the program and exits this process; `groups`: descriptors of the cgroup.procs to join."""
        control = descriptors["control"]
        try:
            prctl(PR_SET_DUMPABLE, 0)
            if self._setup.namespaces:
                _mount(self._bounds)
                os.chdir(HOME)
                self._outside_pids.add(int(os.readlink("self", dir_fd=self._proc)))
            self._start(descriptors, groups)
            for name, fd in descriptors.items():
                if name != "control":
                    os.close(fd)
            started = time.monotonic()
            killed_by = self._watch(control)
            self._kill()
            self._report(control, killed_by, time.monotonic() - started)
        except BaseException as error:
            self._kill()
            os.write(control, json.dumps({"failed": repr(error)}).encode())
        os._exit(0)  # in a pid namespace, this ends all that is left

    def _start(self, descriptors: Descriptors, groups: list[int]) -> None:
        def confined() -> None:
            confine(self._setup, self._bounds, self._rules, groups)

        program_fds = {0: descriptors["stdin"], 1: descriptors["stdout"], 2: descriptors["stderr"]}
        if not self._bounds.judge:
            self._program = os.fork()
            if self._program == 0:
                become(descriptors["program"], program_fds, confined)
            return
        judge_end, program_end = socket.socketpair()
        null = os.open("/dev/null", os.O_RDWR)
        self._program = os.fork()
        if self._program == 0:
            become(descriptors["program"], {**program_fds, CHANNEL: program_end.fileno()}, confined)
        self._judge = os.fork()
        if self._judge == 0:
            judge_fds = {
                0: null,
                1: null,
                2: null,
                CHANNEL: judge_end.fileno(),
                REPORT: descriptors["report"],
            }
            become(descriptors["judge"], judge_fds, confined)
        os.close(null)
        judge_end.close()
        self._channel = program_end

    def _watch(self, control: int) -> str | None:
        """Waits for the end of the program, or of its judge where it has one.

        Returns why the run has to end: the limit that was reached, `caller` or `judge`; None where the program ended
        by itself.
        """
        awaited = self._judge or self._program
        poll = select.poll()
        poll.register(control, select.POLLIN)  # the caller has gone, or stops the run
        program = os.pidfd_open(self._program)
        poll.register(program, select.POLLIN)
        if self._judge:
            poll.register(os.pidfd_open(self._judge), select.POLLIN)
        deadline = time.monotonic() + self._bounds.wall_s
        while True:
            remaining_s = deadline - time.monotonic()
            ready = poll.poll(max(0.0, min(remaining_s, _TICK_S)) * 1000 + 0.5)
            self._reap()
            if awaited in self._ended:
                return None if self._program in self._ended else "judge"
            if any(fd == control for fd, _ in ready):
                return "caller"
            if self._channel and self._program in self._ended:
                poll.unregister(program)
                self._channel.close()
                self._channel = None
            if remaining_s <= 0:
                return "wall"
            if limit := self._limit_exceeded():
                return limit

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended[pid] = status

    def _limit_exceeded(self) -> str | None:
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        stats = stats_of(self._proc, self._members())
        ticks = sum(int(field) for fields in stats.values() for field in fields[11:15])
        if reaped.ru_utime + reaped.ru_stime + ticks / _TICKS_PER_S > self._bounds.cpu_s:
            return "cpu"
        if sum(int(fields[17]) for fields in stats.values()) > self._bounds.processes:
            return "processes"
        if self._memory and self._memory.exceeds(self._bounds.memory_bytes, stats):
            return "memory"
        return None

    def _members(self) -> list[int]:
        if self._setup.namespaces:
            pids = (int(name) for name in os.listdir(self._proc) if name.isdigit())
            return [pid for pid in pids if pid not in self._outside_pids]
        return [pid for pid in (self._program, self._judge) if pid and pid not in self._ended]

    def _kill(self) -> None:
        """Kills all processes of the run; without namespaces a program can't fork."""
        running = [pid for pid in (self._program, self._judge) if pid and pid not in self._ended]
        with contextlib.suppress(ProcessLookupError):
            if self._setup.namespaces:
                os.kill(-1, signal.SIGKILL)  # all in the namespace but this process
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._ended[pid] = os.waitpid(pid, 0)[1]

    def _report(self, control: int, killed_by: str | None, wall_s: float) -> None:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = {
            "killed_by": killed_by,
            "status": self._ended.get(self._program, signal.SIGKILL),
            "wall_s": wall_s,
            "cpu_s": usage.ru_utime + usage.ru_stime,
        }
        os.write(control, json.dumps(report).encode())


def _mount(bounds: RunBounds) -> None:
    """Mounts a scratch folder for the run, and hides /proc, which programs don't need and can learn much from."""
    prefixes = sorted(prefix for prefix in {sys.prefix, sys.base_prefix} if prefix.startswith(f"{HOME}/"))
    open_prefixes = {prefix: os.open(prefix, os.O_PATH) for prefix in prefixes}
    megabytes = max(1, bounds.disk_bytes >> 20)
    options = f"size={bounds.disk_bytes},nr_inodes={max(256, megabytes * _INODES_PER_MB)},mode=1777"
    mount("tmpfs", HOME, _NO_SUID | _NO_DEVICES, options)
    for (
        prefix,
        fd,
    ) in open_prefixes.items():  # an interpreter below the scratch folder; read-only, as it was mounted
        os.makedirs(prefix, exist_ok=True)
        mount("", prefix, _BIND, "", f"/proc/self/fd/{fd}")
        os.close(fd)
    mount("tmpfs", "/proc", _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_PROGRAMS, "size=4k")
