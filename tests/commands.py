"""`perpend` as a process of its own, as a person runs it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

PERPEND = [sys.executable, "-m", "perpend"]


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's, without what it may say of Perpend. One thread: more only wait on a busy machine."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PERPEND_")}
    return {**outer, "PERPEND_HOME": str(home), "PERPEND_ENGINE__THREADS": "1", "NO_COLOR": "1", **more}


def run(
    home: Path, *arguments: str, stdin: str | IO[bytes] = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Runs to the end; `more` goes into the environment."""
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
