"""Packages that Perpend does without until they're asked for, and how to get one where it was missed."""

import shlex
import sys


def install(*packages: str) -> str:
    """The command that installs them for this very interpreter: a wheel's, a checkout's or a container's."""
    return shlex.join((sys.executable, "-m", "pip", "install", *packages))
