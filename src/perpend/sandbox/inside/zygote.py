"""The zygote: a warm interpreter that forks for each run and runs no program itself, so runs share no state.

It lives until its channel closes. Each message there is a run: its bounds, and its descriptors.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from .confine import RunBounds, Setup, rules_of
from .libc import syscall
from .memory import Memory
from .program import HOME
from .supervisor import Supervisor
from .syscalls import NUMBERS

READY = b"ready"
_NEW_MOUNTS, _NEW_IPC, _NEW_PIDS = 0x00020000, 0x08000000, 0x20000000
_CHANNEL_CLOSED = 3
_MAX_MESSAGE_BYTES = 1 << 16
_MAX_DESCRIPTORS = 16
_NAMES: tuple[str, ...] = ("control", "program", "stdin", "stdout", "stderr")
_WITH_JUDGE = (*_NAMES, "judge", "report")

_PRELOADED = (
    *(
        "abc",
        "bisect",
        "cmath",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
    ),
    *(
        "fractions",
        "functools",
        "heapq",
        "io",
        "itertools",
        "json",
        "linecache",
        "math",
        "operator",
        "random",
        "re",
    ),
    *("statistics", "string", "textwrap", "threading", "traceback", "typing"),
)


def main(descriptor: str) -> None:
    """Serves runs that come on the socket of that descriptor."""
    channel = socket.socket(fileno=int(descriptor))
    message, groups, _, _ = socket.recv_fds(channel, _MAX_MESSAGE_BYTES, _MAX_DESCRIPTORS)
    setup = Setup(**json.loads(message))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _PRELOADED:
        importlib.import_module(name)
    os.environ.clear()
    os.environ.update(PATH="/usr/local/bin:/usr/bin:/bin", HOME=HOME, LANG="C.UTF-8")
    sys.path.pop()  # Perpend's folder
    sys.path.insert(0, HOME)
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    outside_pids = (
        {int(name) for name in os.listdir(proc) if name.isdigit()} if setup.namespaces else set[int]()
    )
    rules = rules_of(setup)
    memory = None if groups else Memory(proc, HOME if setup.namespaces else None)
    gc.collect()
    gc.freeze()  # else a collection in a fork would copy every page that it reads
    channel.send(READY)
    while True:
        pid = _fork(setup)  # before its run comes, which needn't wait for the fork then
        if pid == 0:
            _run_next(
                channel, lambda bounds: Supervisor(setup, bounds, rules, proc, outside_pids, memory), groups
            )
        _, status = os.waitpid(pid, 0)  # nothing of a run is left when the next begins
        if os.waitstatus_to_exitcode(status) == _CHANNEL_CLOSED:
            return
        channel.send(READY)


def _run_next(
    channel: socket.socket, supervise: Callable[[RunBounds], Supervisor], groups: list[int]
) -> NoReturn:
    message, descriptors, _, _ = socket.recv_fds(channel, _MAX_MESSAGE_BYTES, _MAX_DESCRIPTORS)
    channel.close()
    if not message:
        os._exit(_CHANNEL_CLOSED)
    bounds = RunBounds(**json.loads(message))
    named = dict(zip(_WITH_JUDGE if bounds.judge else _NAMES, descriptors, strict=True))
    supervise(bounds).run(named, groups)


def _fork(setup: Setup) -> int:
    if not setup.namespaces:
        return os.fork()
    flags = _NEW_MOUNTS | _NEW_IPC | _NEW_PIDS | signal.SIGCHLD
    return syscall("clone", NUMBERS["clone"], flags, 0, 0, 0, 0)
