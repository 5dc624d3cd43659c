"""System calls that Python has no functions for. Each raises OSError."""

import ctypes
import os
import platform

MACHINE = platform.machine()
"""x86_64 and aarch64 have a column in `syscalls`."""

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
PR_SET_THP_DISABLE = 41

_CAPABILITY_VERSION_3 = 0x20080522


def checked(result: int, name: str) -> int:
    """Returns the result of the call `name`. Raises OSError where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def syscall(name: str, number: int, *arguments: object) -> int:
    """Makes a system call by its number. Raises OSError, which says `name`."""
    # ctypes passes a bare int as 32 bits, and leaves the upper half of the register undefined
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return checked(_libc.syscall(ctypes.c_long(number), *wide), name)


def prctl(option: int, value: int, extra: object = 0) -> None:
    """See prctl(2). Raises OSError."""
    pointer = ctypes.c_ulong(extra) if isinstance(extra, int) else extra
    checked(
        _libc.prctl(option, ctypes.c_ulong(value), pointer, ctypes.c_ulong(0), ctypes.c_ulong(0)), "prctl"
    )


def mount(kind: str, target: str, flags: int, options: str, source: str = "none") -> None:
    """See mount(2). Raises OSError."""
    names = (source.encode(), target.encode(), kind.encode())
    checked(_libc.mount(*names, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


def keep_capabilities(kept: int) -> None:
    """Drops every capability but those of the mask `kept`. Raises OSError."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low = kept & 0xFFFFFFFF
    data = (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0)
    checked(_libc.capset(header, data), "capset")
