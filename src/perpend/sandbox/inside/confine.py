"""Confines a process: limits, user, capabilities, Landlock and seccomp, in an order in which each step is possible."""

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
_ADDRESS_SPACE_MARGIN = 1 << 30
"""Bytes: threads' stacks and allocators reserve far more addresses than they use memory."""
_FILES = 64
_SIGNALS = 1024
_SIGKILL = 9
_ALWAYS = seccomp.assemble(seccomp.ALWAYS)
_UNCOUNTED = seccomp.assemble(seccomp.UNCOUNTED)
_DEVICES = {
    **dict.fromkeys(("/dev/null", "/dev/full", "/dev/random", "/dev/urandom"), DEVICE),
    "/dev/zero": READ,  # a writable mapping of it has pages that no file and no process counts
}


@dataclass(frozen=True)
class Setup:
    """Settings of all runs of a slot, which the zygote gets as JSON at its start."""

    namespaces: bool
    """Each run has namespaces of its own; without them it is one process that reads a few folders."""
    uid: int | None
    """User and group that programs run as; None: those of Perpend."""
    readable: list[str] = field(default_factory=list[str])
    """Without namespaces: the folders and files that a program may read."""
    override: bool = False
    """Keeps the right to read `readable` where `uid` has none; Landlock still restricts it to these."""


@dataclass(frozen=True)
class RunBounds:
    """The limits of one run, which the zygote gets as JSON; units as in `Limits`."""

    wall_s: float
    cpu_s: float
    memory_bytes: int
    processes: int
    disk_bytes: int
    judge: bool


def rules_of(setup: Setup) -> Ruleset | None:
    """The Landlock rules; None where namespaces do their work. Raises OSError."""
    if setup.namespaces:
        return None
    rules = Ruleset()
    for path in setup.readable:
        rules.allow(path, READ)
    for device, rights in _DEVICES.items():
        rules.allow(device, rights)
    return rules


def confine(setup: Setup, bounds: RunBounds, rules: Ruleset | None, groups: list[int]) -> None:
    """Confines this process for good. `groups`: descriptors of the cgroup.procs to join. Raises OSError."""
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
        parts.append(seccomp.assemble(seccomp.single_process(os.getpid())))
    if rules is not None:
        rules.restrict()
        rules.close()
    seccomp.install(seccomp.complete(parts))


def _limit(setup: Setup, bounds: RunBounds) -> None:
    cpu = math.ceil(bounds.cpu_s) + 1  # whole seconds; the supervisor is more exact
    limits = {
        resource.RLIMIT_AS: bounds.memory_bytes + _ADDRESS_SPACE_MARGIN,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: bounds.disk_bytes,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: _SIGNALS,
    }
    if setup.uid is not None or setup.namespaces:
        # only where the count is of this slot alone; its zygote and supervisor are in it
        limits[resource.RLIMIT_NPROC] = bounds.processes + 4
    for kind, value in limits.items():
        hard = value + 1 if kind == resource.RLIMIT_CPU else value  # SIGXCPU, which says why, then SIGKILL
        with contextlib.suppress(ValueError):  # a hard limit that is lower already
            resource.setrlimit(kind, (value, hard))
