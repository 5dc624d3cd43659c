"""Whether the next row could be written: asked before anything is spent that it would tell of."""

import os
import shutil
import sqlite3
import time
from pathlib import Path

from perpend.errors import StorageError, StoreUnavailable
from perpend.storage.sqlite import is_busy, problem

_EVERY_S = 0.25
"""Between two looks: a look takes tens of microseconds."""
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
    """A look now and then; a write that failed counts until one succeeds again."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._file = _identity(path)
        self._looked_s = 0.0
        self._failed = False
        self._trouble: StorageError | None = None

    def check(self) -> None:
        """Raises StoreUnavailable."""
        now = time.monotonic()
        if now - self._looked_s >= _EVERY_S:
            self._looked_s = now
            self._trouble = self._look()
        if self._trouble is not None:
            raise StoreUnavailable(self._trouble.message, hint=self._trouble.hint, retry_after=_RETRY_S)

    def failed(self, error: StorageError) -> None:
        """A row couldn't be written."""
        self._failed = True
        self._trouble = error

    def _look(self) -> StorageError | None:
        try:
            if _identity(self._path) != self._file:
                return StorageError(
                    f"the store {self._path} was moved away", hint="put it back, or start the server again"
                )
            free = shutil.disk_usage(self._path.parent).free
        except OSError as error:
            return StorageError(f"the store {self._path} is gone: {error.strerror}", hint="put it back")
        if free < _LEAST_FREE:
            hint = f"free some space on the disk of {self._path}"
            return StorageError(f"the disk of the store is full: {free} bytes are left", hint=hint)
        return self._written() if self._failed else None

    def _written(self) -> StorageError | None:
        """Write something, as nothing else tells whether that works again."""
        connection = self._connection
        try:
            connection.executescript(_TRY)
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return None if is_busy(error) else problem("the ledger could not be written", error, self._path)
        self._failed = False
        return None


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
