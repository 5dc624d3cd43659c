"""Runs command lines of Perpend, each in a fork of a process that has imported it already: an import takes longer than
most commands do. Reads lines `{"words": […], "folder": …, "environment": {…}}`, answers each with its exit status.

What a command writes is in its folder, in the files OUT and ERR.
"""

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

from cyclopts import App

OUT, ERR = "stdout.txt", "stderr.txt"
LONGEST_S = 240


def ready() -> None:
    """Imports what commands import."""
    for name in ("perpend.runtime", "perpend.solve", "perpend.verifiers", "perpend.strategies"):
        import_module(name)
    from perpend.cli.main import app

    groups: list[App] = [app]
    while groups:
        groups += groups.pop().resolved_commands().values()


def run(asked: dict[str, Any]) -> int:
    """In a fork: as the program itself, then gone."""
    from perpend.cli.main import main

    os.chdir(asked["folder"])
    os.environ.update(asked["environment"])
    for number, name in ((1, OUT), (2, ERR)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.alarm(LONGEST_S)
    sys.argv = ["perpend", *asked["words"]]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def serve() -> None:
    if hasattr(os, "sched_setaffinity"):  # verifiers start a worker for each core, and each imports SymPy
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    ready()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 70
            try:
                status = run(json.loads(line))
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
