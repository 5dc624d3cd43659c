"""`perpend` as a process of its own, as a person runs it."""

import contextlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

from command_forks import Forks

PERPEND = [sys.executable, "-m", "perpend"]


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's, without what it may say of Perpend. One thread: more only wait on a busy machine."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PERPEND_")}
    return {**outer, "PERPEND_HOME": str(home), "PERPEND_ENGINE__THREADS": "1", "NO_COLOR": "1", **more}


@cache
def _forks() -> Forks:
    """Started by the first command: most files run none."""
    return Forks()


def run(
    home: Path, *arguments: str, stdin: str | IO[bytes] = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Runs to the end, as a fork; `more` goes into the environment. What an interpreter reads as it starts makes it a
    new process.
    """
    if any(name.startswith(("PYTHON", "LC_")) for name in more):
        return _run_anew(home, *arguments, stdin=stdin, **more)
    with tempfile.TemporaryFile() if isinstance(stdin, str) else contextlib.nullcontext(stdin) as given:
        if isinstance(stdin, str):
            given.write(stdin.encode())
            given.seek(0)
        try:
            if (ended := _forks().ended) is not None:  # between two commands: seen once, and never why
                print(f"the process that forks ended with {ended}", file=sys.__stderr__)
                _forks().close()
                _forks.cache_clear()
            return _forks().run(arguments, given, environment(home, **more), home)
        except BaseException:
            _forks().kill()
            _forks.cache_clear()
            raise


def _run_anew(
    home: Path, *arguments: str, stdin: str | IO[bytes] = "", **more: str
) -> subprocess.CompletedProcess[str]:
    given: dict[str, str | IO[bytes]] = {"input" if isinstance(stdin, str) else "stdin": stdin}
    return subprocess.run(  # pyright: ignore[reportCallIssue, reportUnknownVariableType] -- one of two
        [*PERPEND, *arguments],
        **given,  # pyright: ignore[reportArgumentType]
        capture_output=True,
        text=True,
        env=environment(home, **more),
        cwd=home,
        timeout=240,
        check=False,
    )
