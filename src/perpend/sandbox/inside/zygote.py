"""A warm interpreter that forks for each run, and never runs anything itself: no run sees what another left.

It lives until its channel ends. A message there is a run: its bounds, and its descriptors.
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
_NO_MORE = 3
_MOST = 1 << 16
_MOST_DESCRIPTORS = 16
_NAMES: tuple[str, ...] = ("control", "program", "stdin", "stdout", "stderr")
_WITH_JUDGE = (*_NAMES, "judge", "report")

_WARM = (
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
    channel = socket.socket(fileno=int(descriptor))
    message, groups, _, _ = socket.recv_fds(channel, _MOST, _MOST_DESCRIPTORS)
    setup = Setup(**json.loads(message))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _WARM:
        importlib.import_module(name)
    os.environ.clear()
    os.environ.update(PATH="/usr/local/bin:/usr/bin:/bin", HOME=HOME, LANG="C.UTF-8")
    sys.path.pop()  # our own folder
    sys.path.insert(0, HOME)
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    strangers = {int(name) for name in os.listdir(proc) if name.isdigit()} if setup.namespaces else set[int]()
    rules = rules_of(setup)
    memory = None if groups else Memory(proc, HOME if setup.namespaces else None)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page that it only looks at
    channel.send(READY)
    while True:
        pid = _fork(setup)  # before there is a run for it: it has one less to wait for
        if pid == 0:
            _run_next(
                channel, lambda bounds: Supervisor(setup, bounds, rules, proc, strangers, memory), groups
            )
        _, status = os.waitpid(pid, 0)  # nothing of a run is left when the next begins
        if os.waitstatus_to_exitcode(status) == _NO_MORE:
            return
        channel.send(READY)


def _run_next(
    channel: socket.socket, supervise: Callable[[RunBounds], Supervisor], groups: list[int]
) -> NoReturn:
    message, descriptors, _, _ = socket.recv_fds(channel, _MOST, _MOST_DESCRIPTORS)
    channel.close()
    if not message:
        os._exit(_NO_MORE)
    bounds = RunBounds(**json.loads(message))
    given = dict(zip(_WITH_JUDGE if bounds.judge else _NAMES, descriptors, strict=True))
    supervise(bounds).run(given, groups)


def _fork(setup: Setup) -> int:
    if not setup.namespaces:
        return os.fork()
    flags = _NEW_MOUNTS | _NEW_IPC | _NEW_PIDS | signal.SIGCHLD
    return syscall("clone", NUMBERS["clone"], flags, 0, 0, 0, 0)
