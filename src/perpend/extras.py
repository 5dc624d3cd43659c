"""The command that installs a missing optional package."""

import shlex
import sys


def install(*packages: str) -> str:
    """The pip command that installs `packages` for the interpreter that runs Perpend."""
    return shlex.join((sys.executable, "-m", "pip", "install", *packages))
