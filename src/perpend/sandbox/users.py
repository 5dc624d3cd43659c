"""Users that programs run as where Perpend is root: no two slots of a machine have the same one at once.

The kernel counts a user's processes in all slots together, so a fork bomb in one would stop forks in another.
"""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

from perpend.errors import SandboxUnavailable

UIDS = range(61184, 65520)
"""systemd, too, gives these to services for as long as they run: no file belongs to one."""
_LOCKS = Path("/run/perpend/users")
"""One file for each uid, locked while a process of the slot lives."""


class SlotUser(NamedTuple):
    uid: int | None
    """None: programs run as Perpend's own user."""
    locks: tuple[int, ...]
    """Descriptors that lock the uid as long as any process has them open; none where `/run` can't be written."""


def take_user(number: int) -> SlotUser:
    """Takes a free user for the slot of that number, where Perpend may choose one: as root.

    Raises SandboxUnavailable where other slots have them all.
    """
    if os.geteuid() != 0:
        return SlotUser(None, ())
    first = os.getpid() * 61 + number  # spread, as other containers don't see these locks
    try:
        _LOCKS.mkdir(mode=0o700, parents=True, exist_ok=True)
        for step in range(len(UIDS)):
            uid = UIDS[(first + step) % len(UIDS)]
            lock = _lock(_LOCKS / str(uid))
            if lock is not None:
                return SlotUser(uid, (lock,))
    except OSError:
        return SlotUser(UIDS[first % len(UIDS)], ())
    raise SandboxUnavailable(f"other sandboxes have all {len(UIDS)} users that a program may run as")


def _lock(path: Path) -> int | None:
    """Returns a descriptor that locks the file; None where it is locked already. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
