"""How a process gives up what it could do, in the order in which it still can."""

import contextlib
import math
import os
import resource
from dataclasses import dataclass, field

from . import seccomp
from .landlock import DEVICE, READ, Ruleset
from .libc import (
    PR_SET_KEEPCAPS,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    PR_SET_THP_DISABLE,
    keep_capabilities,
    prctl,
)

_CAP_DAC_READ_SEARCH = 1 << 2
_ROOM_FOR_ADDRESSES = 1 << 30
"""Threads' stacks and allocators reserve far more addresses than they use memory."""
_FILES = 64
_SIGNALS = 1024
_SIGKILL = 9
_ALWAYS = seccomp.assemble(seccomp.ALWAYS)
_UNCOUNTED = seccomp.assemble(seccomp.UNCOUNTED)
_DEVICES = {
    **dict.fromkeys(("/dev/null", "/dev/full", "/dev/random", "/dev/urandom"), DEVICE),
    "/dev/zero": READ,  # who may write it can map pages that belong to no file and no process
}


@dataclass(frozen=True)
class Setup:
    """What holds for all runs of a sandbox; comes as JSON when it starts."""

    namespaces: bool
    """Each run in namespaces of its own; without them it is one process that reads a few folders."""
    uid: int | None
    """Who programs run as, group and user; None: whoever we are."""
    readable: list[str] = field(default_factory=list[str])
    """Without namespaces: the folders and files that a program may read."""
    override: bool = False
    """They aren't open to `uid`, only to us: the right to read them is kept. Landlock still bounds it."""


@dataclass(frozen=True)
class RunBounds:
    """The limits of one run; comes as JSON with it."""

    wall_s: float
    cpu_s: float
    memory_bytes: int
    processes: int
    disk_bytes: int
    judge: bool


def rules_of(setup: Setup) -> Ruleset | None:
    if setup.namespaces:
        return None
    rules = Ruleset()
    for path in setup.readable:
        rules.allow(path, READ)
    for device, rights in _DEVICES.items():
        rules.allow(device, rights)
    return rules


def confine(setup: Setup, bounds: RunBounds, rules: Ruleset | None, groups: list[int]) -> None:
    """For good. `groups`: descriptors of the cgroup.procs to join."""
    for group in groups:
        os.write(group, b"0")
        os.close(group)
    _limit(setup, bounds)
    kept = _CAP_DAC_READ_SEARCH if setup.override else 0
    if setup.uid is not None:
        prctl(PR_SET_KEEPCAPS, int(setup.override))
        os.setgroups([])
        os.setresgid(setup.uid, setup.uid, setup.uid)
        os.setresuid(setup.uid, setup.uid, setup.uid)
    keep_capabilities(kept)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    parts = [_ALWAYS]
    if not groups:
        prctl(PR_SET_THP_DISABLE, 1)
        parts.append(_UNCOUNTED)
    if not setup.namespaces:
        prctl(PR_SET_PDEATHSIG, _SIGKILL)  # after the change of user, which clears it
        parts.append(seccomp.assemble(seccomp.alone(os.getpid())))
    if rules is not None:
        rules.restrict()
        rules.close()
    seccomp.install(seccomp.whole(parts))


def _limit(setup: Setup, bounds: RunBounds) -> None:
    cpu = math.ceil(bounds.cpu_s) + 1  # whole seconds; whoever watches is more exact
    limits = {
        resource.RLIMIT_AS: bounds.memory_bytes + _ROOM_FOR_ADDRESSES,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: bounds.disk_bytes,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: _SIGNALS,
    }
    if setup.uid is not None or setup.namespaces:
        # only where nobody else is counted. The zygote and its like may be, so it's a little more
        limits[resource.RLIMIT_NPROC] = bounds.processes + 4
    for what, value in limits.items():
        most = value + 1 if what == resource.RLIMIT_CPU else value  # SIGXCPU, which says why, then SIGKILL
        with contextlib.suppress(ValueError):  # a hard limit that is lower already
            resource.setrlimit(what, (value, most))
