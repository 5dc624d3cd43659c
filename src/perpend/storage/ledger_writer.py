"""Group commit: all ledger rows of one turn of the event loop are written in one transaction.

The commit runs in the event loop's own thread: it takes tens of microseconds (no fsync), less than a hand-over to
another thread. `durability`:

`process`  an acknowledged row survives any crash of this process, kill -9 included. A power cut may cost about the
           last second, until the checkpointer has synced.
`power`    a row is acknowledged only after an fsync, which runs in a thread, one for all rows that wait.
"""

import asyncio
import logging
import sqlite3
import time
from pathlib import Path
from typing import Literal

from perpend.errors import StorageError
from perpend.storage.checkpoint import Checkpointer
from perpend.storage.rows import LedgerRow, Param, ledger_params
from perpend.storage.sqlite import BUSY_TIMEOUT_S, is_busy, storage_error
from perpend.storage.wal_sync import Syncer, Waiter, fail, resolve
from perpend.storage.write_probe import WriteProbe

Durability = Literal["process", "power"]

_FIELDS = LedgerRow.__struct_fields__
# Written out here so that opening a store doesn't load SQLAlchemy; a test compares it with the table's own.
INSERT = f"INSERT INTO requests ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))})"  # noqa: S608 - names from our own struct
_RETRY_S = 0.001
"""Seconds between two tries while another process holds the lock."""
_SOON_S = 0.002
"""Seconds in which it is tried again at each turn of the loop instead: another worker's commit takes microseconds."""
_ROW_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    OverflowError,
    UnicodeEncodeError,
)
"""Errors in a row itself, which say nothing about the next one."""

_log = logging.getLogger(__name__)


class LedgerWriter:
    """Writes ledger rows through one connection, whose busy timeout must be 0: the writer retries by itself."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        durability: Durability = "process",
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._connection = connection
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._rows: list[tuple[Param, ...]] = []
        self._waiters: list[Waiter] = []
        self._scheduled = False
        self._busy_since: float | None = None
        self._checkpointer = Checkpointer(path)
        self._probe = WriteProbe(path, connection, self._checkpointer.wrote, self._sync)
        self._syncer = Syncer(path, self._probe.failed) if durability == "power" else None

    def check(self) -> None:
        """Raises StoreUnavailable where a row couldn't be written now."""
        self._probe.check()

    async def write(self, row: LedgerRow) -> None:
        """Write a row; it is durable on return, and written even if the caller is cancelled meanwhile.

        Raises StorageError; the row is then not in the ledger.
        """
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._rows.append(ledger_params(row))
        self._waiters.append(waiter)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        await waiter

    async def run(self, statement: str, params: tuple[Param, ...]) -> None:
        """Run a statement on another table than the ledger; it is durable on return. Raises StorageError."""
        began = time.monotonic()
        while True:
            try:
                self._connection.execute(statement, params)
                break
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() - began > self._busy_timeout_s:
                    raise self._as_storage_error(error) from error
            except _ROW_ERRORS as error:
                raise self._as_storage_error(error) from error
            await asyncio.sleep(0 if time.monotonic() - began < _SOON_S else _RETRY_S)
        self._wrote()
        if self._syncer is not None:
            waiter = asyncio.get_running_loop().create_future()
            self._syncer.resolve_when_synced([waiter])
            await waiter

    def write_now(self, rows: list[LedgerRow]) -> None:
        """Write rows without awaiting, for a task that is being cancelled; they are durable on return.

        Blocks the event loop while the file is locked and, with `power`, for the fsync. Raises StorageError.
        """
        self._insert_blocking([ledger_params(row) for row in rows])
        self._sync()

    def close(self) -> None:
        """Write the waiting rows and checkpoint the log. The connection stays open: it is the caller's."""
        rows, waiters = self._take()
        try:
            if rows:
                self._insert_blocking(rows)
            if self._syncer is not None:
                self._syncer.close()
            resolve(waiters)
        except StorageError as error:
            fail(waiters, error)
        self._checkpointer.stop()
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:  # nothing is lost: whoever opens the store next checkpoints it
            _log.warning("the log of %s could not be folded in: %s", self._path, error)

    def _flush(self) -> None:
        rows, waiters = self._take()
        if not rows:
            return  # closed meanwhile
        try:
            self._insert(rows)
        except _ROW_ERRORS as error:
            self._write_each(rows, waiters, error)
        except sqlite3.Error as error:
            if not self._retry(error, rows, waiters):
                fail(waiters, self._as_storage_error(error))
        else:
            self._busy_since = None
            self._done(waiters)

    def _take(self) -> tuple[list[tuple[Param, ...]], list[Waiter]]:
        taken = self._rows, self._waiters
        self._rows, self._waiters, self._scheduled = [], [], False
        return taken

    def _retry(self, error: sqlite3.Error, rows: list[tuple[Param, ...]], waiters: list[Waiter]) -> bool:
        """Whether the rows will be tried again, without blocking the loop: while the file is locked, up to a bound."""
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        if not is_busy(error) or now - self._busy_since > self._busy_timeout_s:
            self._busy_since = None
            return False
        self._rows, self._waiters, self._scheduled = rows, waiters, True
        loop = asyncio.get_running_loop()
        if now - self._busy_since < _SOON_S:
            loop.call_soon(self._flush)
        else:
            loop.call_later(_RETRY_S, self._flush)
        return True

    def _write_each(self, rows: list[tuple[Param, ...]], waiters: list[Waiter], error: Exception) -> None:
        """Write the rows one by one, so that only a bad one (an id used twice, a number out of range) fails."""
        if len(rows) == 1:
            fail(waiters, self._as_storage_error(error))
            return
        for row, waiter in zip(rows, waiters, strict=True):
            try:
                self._insert_blocking([row])
            except StorageError as failure:
                fail([waiter], failure)
            else:
                self._done([waiter])

    def _insert(self, rows: list[tuple[Param, ...]]) -> None:
        """Insert all of `rows` or none. Raises sqlite3.Error and `_ROW_ERRORS`."""
        connection = self._connection
        if len(rows) == 1:
            connection.execute(INSERT, rows[0])
        else:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(INSERT, rows)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        self._wrote()

    def _insert_blocking(self, rows: list[tuple[Param, ...]]) -> None:
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                return self._insert(rows)
            except _ROW_ERRORS as error:
                raise self._as_storage_error(error) from error
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise self._as_storage_error(error) from error
                time.sleep(_RETRY_S)

    def _done(self, waiters: list[Waiter]) -> None:
        if self._syncer is None:
            resolve(waiters)
        else:
            self._syncer.resolve_when_synced(waiters)

    def _sync(self) -> None:
        if self._syncer is not None:
            self._syncer.sync_now()

    def _wrote(self) -> None:
        self._probe.proven()
        self._checkpointer.wrote()

    def _as_storage_error(self, error: Exception) -> StorageError:
        """The StorageError to raise. Unless the row itself or a lock is to blame, the store counts as unwritable."""
        failure = storage_error("the store could not be written", error, self._path)
        if not isinstance(error, _ROW_ERRORS) and not is_busy(error):
            self._probe.failed(failure)
        return failure
