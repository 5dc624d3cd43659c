"""Checks that the next ledger row could be written, before tokens are spent that it has to record."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from perpend.errors import ClientMessage, StorageError, StoreUnavailable
from perpend.storage.sqlite import BUSY_TIMEOUT_S, is_busy, storage_error

_EVERY_S = 0.25
"""Seconds between two probes: one takes tens of microseconds, or hundreds where nothing was written meanwhile."""
_MIN_FREE_BYTES = 4 * 2**20
"""Bytes of disk: rows of thousands of requests."""
_RETRY_S = 5.0
_PROBE_SQL = """
BEGIN IMMEDIATE;
CREATE TABLE written (tried BLOB);
INSERT INTO written VALUES (zeroblob(16384));
DROP TABLE written;
COMMIT;
"""


class WriteProbe:
    """Probes the store now and then. A row written since the last probe is proof enough; else a trial write is made,
    since nothing else reveals quotas, limits and broken disks.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, wrote: Callable[[], None], sync: Callable[[], None]
    ) -> None:
        """`wrote` is called after a trial write; `sync` fsyncs it where rows are fsynced."""
        self._path = path
        self._connection = connection
        self._wrote = wrote
        self._sync = sync
        self._files = _identities(path)
        self._probed_s = 0.0
        self._proven = False
        """A row was written since the last probe."""
        self._busy_s = (0.0, 0.0)
        """When the current lock of others was first and last seen, in monotonic seconds."""
        self._failure: StorageError | None = None

    def check(self) -> None:
        """Raises StoreUnavailable where a row couldn't be written."""
        now = time.monotonic()
        if now - self._probed_s >= _EVERY_S:
            self._probed_s = now
            self._failure = self._probe(now)
        if (failure := self._failure) is not None:
            public = ClientMessage(failure.message, "nothing was spent: send it again in a while")
            raise StoreUnavailable(failure.message, hint=failure.hint, retry_after=_RETRY_S, redacted=public)

    def proven(self) -> None:
        """A row was written."""
        self._proven = True

    def failed(self, error: StorageError) -> None:
        """A row couldn't be written, through no fault of its own."""
        self._proven = False
        self._failure = error

    def _probe(self, now: float) -> StorageError | None:
        proven, self._proven = self._proven, False
        try:
            if _identities(self._path) != self._files:
                hint = f"put back {self._path} as it was, or start the server again"
                return StorageError("the store was moved away, and another is in its place", hint=hint)
            free = shutil.disk_usage(self._path.parent).free
        except OSError as error:
            hint = f"put back {self._path} and its -wal, or start the server again"
            return StorageError(f"the store is gone: {error.strerror}", hint=hint)
        if free < _MIN_FREE_BYTES:
            hint = f"free some space on the disk of {self._path}"
            return StorageError(f"the disk of the store is full: {free >> 20} MiB are left", hint=hint)
        return None if proven and self._failure is None else self._trial_write(now)

    def _trial_write(self, now: float) -> StorageError | None:
        connection = self._connection
        try:
            connection.executescript(_PROBE_SQL)
            if self._failure is not None:
                self._sync()
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = storage_error("the store can't be written", error, self._path)
            return self._busy(now, failure) if is_busy(error) else failure
        except StorageError as error:
            return error
        self._wrote()
        return None

    def _busy(self, now: float, failure: StorageError) -> StorageError | None:
        """A lock of others is a failure once it lasts longer than a row would wait."""
        since, until = self._busy_s
        since = since if now - until < BUSY_TIMEOUT_S else now
        self._busy_s = since, now
        return failure if now - since >= BUSY_TIMEOUT_S else None


def _identities(path: Path) -> list[tuple[int, int]]:
    """Device and inode of the database file and of its write-ahead log."""
    found = [os.stat(path), os.stat(f"{path}-wal")]
    return [(stat.st_dev, stat.st_ino) for stat in found]
