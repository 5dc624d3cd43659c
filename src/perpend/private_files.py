"""Folders and files that nobody else on the machine reads: they hold conversations, prompts and keys."""

import contextlib
import os
from pathlib import Path

_OWNERS = 0o077
"""Rights of anybody but the owner."""


def private_folder(path: Path) -> None:
    """Made where it is missing, and what is missing above it, for its owner alone. What is there stays as it is."""
    if path.is_dir():
        return
    if not path.parent.exists():
        private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def private_file(path: Path) -> None:
    """There from now on, and its owner's alone; one that others could read is taken from them."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        mode = os.fstat(descriptor).st_mode
        if mode & _OWNERS:
            with contextlib.suppress(PermissionError):  # another user's, who shares it
                os.chmod(path, mode & ~_OWNERS)
    finally:
        os.close(descriptor)


def open_to_others(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & _OWNERS)
