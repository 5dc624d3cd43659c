"""Landlock: restricts a process to some files, and keeps it from connections and from signals to others.

https://docs.kernel.org/userspace-api/landlock.html; the structures grow with the kernel's ABI.
"""

import ctypes
import os
import struct

from .libc import syscall

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_IOCTL_DEVICE = 1 << 15
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEVICE
READ = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ_FILE | WRITE_FILE

_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""ABI version -> number of file rights; 16 since ABI 5."""
_ALL_NETWORK = 3
"""Bind and connect, TCP."""
_ALL_SCOPES = 3
"""Abstract sockets and signals."""


def abi() -> int:
    """The kernel's ABI version; 0 where it has no Landlock, or has it switched off."""
    try:
        return syscall("landlock", _CREATE, None, 0, _VERSION)
    except OSError:
        return 0


def every_right(version: int) -> int:
    """The mask of all file rights of an ABI version."""
    return (1 << _FILE_RIGHTS.get(version, 16)) - 1


class Ruleset:
    """Rules that are built once, and restrict any number of processes."""

    def __init__(self) -> None:
        """Raises OSError where the kernel has no Landlock."""
        self._abi = abi()
        self._rights = every_right(self._abi)
        fields = [self._rights]
        if self._abi >= 4:
            fields.append(_ALL_NETWORK)
        if self._abi >= 6:
            fields.append(_ALL_SCOPES)
        raw = struct.pack(f"{len(fields)}Q", *fields)
        self._fd = syscall("landlock_create_ruleset", _CREATE, ctypes.c_char_p(raw), len(raw), 0)

    def allow(self, path: str, rights: int) -> None:
        """Allows `rights` on a path and all below it; a missing path is left out. Raises OSError."""
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            rights &= self._rights
            if not os.path.isdir(path):
                rights &= _OF_FILES
            raw = struct.pack("=Qi", rights, fd)
            syscall("landlock_add_rule", _ADD_RULE, self._fd, _PATH_BENEATH, ctypes.c_char_p(raw), 0)
        finally:
            os.close(fd)

    def allow_everything(self, folder: str) -> None:
        """Allows all rights below a folder. Raises OSError."""
        self.allow(folder, self._rights)

    def restrict(self) -> None:
        """Restricts this thread, and all that it starts, for good. Raises OSError."""
        syscall("landlock_restrict_self", _RESTRICT, self._fd, 0)

    def close(self) -> None:
        os.close(self._fd)
