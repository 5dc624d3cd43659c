"""Whether the next row could be written: asked before anything is spent that it would tell of."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from perpend.errors import ClientMessage, StorageError, StoreUnavailable
from perpend.storage.sqlite import BUSY_TIMEOUT_S, is_busy, problem

_EVERY_S = 0.25
"""Between two looks: a look takes tens of microseconds, and some hundreds where nothing was written meanwhile."""
_LEAST_FREE = 4 * 2**20
"""Bytes that the disk has left at least: rows of thousands of requests that are under way."""
_RETRY_S = 5.0
_TRY = """
BEGIN IMMEDIATE;
CREATE TABLE written (tried BLOB);
INSERT INTO written VALUES (zeroblob(16384));
DROP TABLE written;
COMMIT;
"""


class Writable:
    """A look now and then. A row that was written shows that the next one can be; without one, something is tried:
    quotas, limits and broken disks are told by nothing else.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, wrote: Callable[[], None], sync: Callable[[], None]
    ) -> None:
        """`wrote` is called after something was tried; `sync` puts it on the disk, where rows are put there."""
        self._path = path
        self._connection = connection
        self._wrote = wrote
        self._sync = sync
        self._files = _identities(path)
        self._looked_s = 0.0
        self._proven = False
        """A row was written since the last look."""
        self._busy_s = (0.0, 0.0)
        """From when to when others were seen to keep it locked."""
        self._trouble: StorageError | None = None

    def check(self) -> None:
        """Raises StoreUnavailable."""
        now = time.monotonic()
        if now - self._looked_s >= _EVERY_S:
            self._looked_s = now
            self._trouble = self._look(now)
        if (trouble := self._trouble) is not None:
            told = ClientMessage(trouble.message, "nothing was spent: send it again in a while")
            raise StoreUnavailable(trouble.message, hint=trouble.hint, retry_after=_RETRY_S, redacted=told)

    def proven(self) -> None:
        """A row was written."""
        self._proven = True

    def failed(self, error: StorageError) -> None:
        """A row couldn't be written, through no fault of its own."""
        self._proven = False
        self._trouble = error

    def _look(self, now: float) -> StorageError | None:
        proven, self._proven = self._proven, False
        try:
            if _identities(self._path) != self._files:
                hint = f"put back {self._path} as it was, or start the server again"
                return StorageError("the store was moved away, and another is in its place", hint=hint)
            free = shutil.disk_usage(self._path.parent).free
        except OSError as error:
            hint = f"put back {self._path} and its -wal, or start the server again"
            return StorageError(f"the store is gone: {error.strerror}", hint=hint)
        if free < _LEAST_FREE:
            hint = f"free some space on the disk of {self._path}"
            return StorageError(f"the disk of the store is full: {free >> 20} MiB are left", hint=hint)
        return None if proven and self._trouble is None else self._try(now)

    def _try(self, now: float) -> StorageError | None:
        connection = self._connection
        try:
            connection.executescript(_TRY)
            if self._trouble is not None:
                self._sync()
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            trouble = problem("the store can't be written", error, self._path)
            return self._busy(now, trouble) if is_busy(error) else trouble
        except StorageError as error:
            return error
        self._wrote()
        return None

    def _busy(self, now: float, trouble: StorageError) -> StorageError | None:
        """Others write, too: it's trouble once that takes longer than a row would wait."""
        since, until = self._busy_s
        since = since if now - until < BUSY_TIMEOUT_S else now
        self._busy_s = since, now
        return trouble if now - since >= BUSY_TIMEOUT_S else None


def _identities(path: Path) -> list[tuple[int, int]]:
    """Of the file and of its log, in which the newest rows are."""
    found = [os.stat(path), os.stat(f"{path}-wal")]
    return [(one.st_dev, one.st_ino) for one in found]
