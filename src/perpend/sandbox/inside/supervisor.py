"""Who watches over one run: starts the program, ends it at its limits, and says how it ended.

In namespaces it's pid 1 of the run: with it everything ends that the program has started, however it hid.
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
        strangers: set[int],
        memory: Memory | None,
    ) -> None:
        """`proc`: /proc as the zygote sees it; `strangers`: the processes there that aren't of this run; `memory`: None
        where a cgroup counts it.
        """
        self._setup = setup
        self._bounds = bounds
        self._rules = rules
        self._proc = proc
        self._strangers = strangers
        self._memory = memory
        self._program = 0
        self._judge: int | None = None
        self._channel: socket.socket | None = None
        """The program's end, held until its status is known: a judge that hears of its end first can't say why."""
        self._ended: dict[int, int] = {}
        """Process -> wait status."""

    def run(self, given: Descriptors, groups: list[int]) -> NoReturn:
        control = given["control"]
        try:
            prctl(PR_SET_DUMPABLE, 0)
            if self._setup.namespaces:
                _mount(self._bounds)
                os.chdir(HOME)
                self._strangers.add(int(os.readlink("self", dir_fd=self._proc)))
            self._start(given, groups)
            for name, fd in given.items():
                if name != "control":
                    os.close(fd)
            started = time.monotonic()
            killed_by = self._watch(control)
            self._kill()
            self._report(control, killed_by, time.monotonic() - started)
        except BaseException as error:
            self._kill()
            os.write(control, json.dumps({"failed": repr(error)}).encode())
        os._exit(0)  # in a pid namespace: the end of all that is left

    def _start(self, given: Descriptors, groups: list[int]) -> None:
        def confined() -> None:
            confine(self._setup, self._bounds, self._rules, groups)

        places = {0: given["stdin"], 1: given["stdout"], 2: given["stderr"]}
        if not self._bounds.judge:
            self._program = os.fork()
            if self._program == 0:
                become(given["program"], places, confined)
            return
        ours, theirs = socket.socketpair()
        nothing = os.open("/dev/null", os.O_RDWR)
        self._program = os.fork()
        if self._program == 0:
            become(given["program"], {**places, CHANNEL: theirs.fileno()}, confined)
        self._judge = os.fork()
        if self._judge == 0:
            judges = {0: nothing, 1: nothing, 2: nothing, CHANNEL: ours.fileno(), REPORT: given["report"]}
            become(given["judge"], judges, confined)
        os.close(nothing)
        ours.close()
        self._channel = theirs

    def _watch(self, control: int) -> str | None:
        """Until the program, or its judge where it has one, has ended. What ends all that is left: the limit that was
        reached, the caller, or the judge's end; None: the program had ended by itself.
        """
        last = self._judge or self._program
        poll = select.poll()
        poll.register(control, select.POLLIN)  # whoever asked went away, or has had enough
        program = os.pidfd_open(self._program)
        poll.register(program, select.POLLIN)
        if self._judge:
            poll.register(os.pidfd_open(self._judge), select.POLLIN)
        deadline = time.monotonic() + self._bounds.wall_s
        while True:
            left = deadline - time.monotonic()
            ready = poll.poll(max(0.0, min(left, _TICK_S)) * 1000 + 0.5)
            self._reap()
            if last in self._ended:
                return None if self._program in self._ended else "judge"
            if any(fd == control for fd, _ in ready):
                return "caller"
            if self._channel and self._program in self._ended:
                poll.unregister(program)
                self._channel.close()
                self._channel = None
            if left <= 0:
                return "wall"
            if reached := self._reached():
                return reached

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended[pid] = status

    def _reached(self) -> str | None:
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
            found = (int(name) for name in os.listdir(self._proc) if name.isdigit())
            return [pid for pid in found if pid not in self._strangers]
        return [pid for pid in (self._program, self._judge) if pid and pid not in self._ended]

    def _kill(self) -> None:
        """All of the run; a program that may not fork has nobody else."""
        ours = [pid for pid in (self._program, self._judge) if pid and pid not in self._ended]
        with contextlib.suppress(ProcessLookupError):
            if self._setup.namespaces:
                os.kill(-1, signal.SIGKILL)  # everybody in the namespace but us
        for pid in ours:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._ended[pid] = os.waitpid(pid, 0)[1]

    def _report(self, control: int, killed_by: str | None, wall_s: float) -> None:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = {
            "killed_by": killed_by,
            "status": self._ended.get(self._program, signal.SIGKILL),
            "wall_s": wall_s,
            "cpu_s": used.ru_utime + used.ru_stime,
        }
        os.write(control, json.dumps(told).encode())


def _mount(bounds: RunBounds) -> None:
    """A scratch folder of its own, and no /proc: there's much in it to find and nothing that a program needs."""
    inside = sorted(place for place in {sys.prefix, sys.base_prefix} if place.startswith(f"{HOME}/"))
    hidden = {place: os.open(place, os.O_PATH) for place in inside}
    megabytes = max(1, bounds.disk_bytes >> 20)
    room = f"size={bounds.disk_bytes},nr_inodes={max(256, megabytes * _INODES_PER_MB)},mode=1777"
    mount("tmpfs", HOME, _NO_SUID | _NO_DEVICES, room)
    for place, fd in hidden.items():  # an interpreter that lies there; read-only, as it's bound already
        os.makedirs(place, exist_ok=True)
        mount("", place, _BIND, "", f"/proc/self/fd/{fd}")
        os.close(fd)
    mount("tmpfs", "/proc", _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_PROGRAMS, "size=4k")
