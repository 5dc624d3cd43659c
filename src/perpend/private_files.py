"""Folders and files that only their owner may read: they hold conversations, prompts and keys."""

import contextlib
import os
from pathlib import Path

_OTHERS = 0o077
"""The permission bits of group and others."""


def private_folder(path: Path) -> None:
    """Make a folder, and what is missing above it, with mode 0700; an existing one stays as it is. Raises OSError."""
    if path.is_dir():
        return
    if not path.parent.exists():
        private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def private_file(path: Path) -> None:
    """Make a file with mode 0600, or take group's and others' rights from an existing one. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        mode = os.fstat(descriptor).st_mode
        if mode & _OTHERS:
            with contextlib.suppress(PermissionError):  # it belongs to another user, who shares it
                os.chmod(path, mode & ~_OTHERS)
    finally:
        os.close(descriptor)


def open_to_others(path: Path) -> bool:
    """Whether group or others have any right on it; False on Windows. Raises OSError."""
    return os.name == "posix" and bool(path.stat().st_mode & _OTHERS)
