"""Group commit: every row that came in one turn of the event loop goes to disk in one transaction.

The commit runs in the event loop's own thread: it takes tens of microseconds (no fsync), less than handing
it to another thread would. `durability`:

`process`  a row that was acknowledged survives any crash of this process, kill -9 included. A power cut
           may take the last second or so, until the checkpointer has synced.
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
from perpend.storage.sqlite import BUSY_TIMEOUT_S, is_busy, problem
from perpend.storage.wal_sync import Syncer, Waiter, fail, resolve
from perpend.storage.write_probe import Writable

Durability = Literal["process", "power"]

_FIELDS = LedgerRow.__struct_fields__
# Written out here so that opening a store doesn't load SQLAlchemy; a test compares it with the table's own.
INSERT = f"INSERT INTO requests ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))})"  # noqa: S608 - names from our own struct
_RETRY_S = 0.005
_OF_THE_ROW = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    OverflowError,
    UnicodeEncodeError,
)
"""What a row is refused for that the next one needn't be."""

_log = logging.getLogger(__name__)


class LedgerWriter:
    """Writes ledger rows through one connection, which must not wait when the file is locked."""

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
        self._writable = Writable(path, connection, self._checkpointer.wrote, self._sync)
        self._syncer = Syncer(path, self._writable.failed) if durability == "power" else None

    def check(self) -> None:
        """Raises StoreUnavailable where the next row couldn't be written."""
        self._writable.check()

    async def write(self, row: LedgerRow) -> None:
        """Durable when it returns. A caller cancelled meanwhile has its row written all the same.

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
        """One statement on another table than the ledger; durable when it returns. Raises StorageError."""
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                self._connection.execute(statement, params)
                break
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise self._problem(error) from error
            except _OF_THE_ROW as error:
                raise self._problem(error) from error
            await asyncio.sleep(_RETRY_S)
        self._wrote()
        if self._syncer is not None:
            waiter = asyncio.get_running_loop().create_future()
            self._syncer.resolve_when_synced([waiter])
            await waiter

    def write_now(self, rows: list[LedgerRow]) -> None:
        """Durable when it returns, without awaiting: for a task that is being cancelled.

        Blocks the event loop where the file is locked or, with `power`, for the fsync. Raises StorageError.
        """
        self._insert_patiently([ledger_params(row) for row in rows])
        self._sync()

    def close(self) -> None:
        """Write what waits, and fold the log into the database file. The connection is the caller's."""
        rows, waiters = self._take()
        try:
            if rows:
                self._insert_patiently(rows)
            if self._syncer is not None:
                self._syncer.close()
            resolve(waiters)
        except StorageError as error:
            fail(waiters, error)
        self._checkpointer.stop()
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:  # nothing is lost: the next one to open the store folds it in
            _log.warning("the log of %s could not be folded in: %s", self._path, error)

    def _flush(self) -> None:
        rows, waiters = self._take()
        if not rows:
            return  # closed meanwhile
        try:
            self._insert(rows)
        except _OF_THE_ROW as error:
            self._apart(rows, waiters, error)
        except sqlite3.Error as error:
            if not self._try_again(error, rows, waiters):
                fail(waiters, self._problem(error))
        else:
            self._busy_since = None
            self._done(waiters)

    def _take(self) -> tuple[list[tuple[Param, ...]], list[Waiter]]:
        taken = self._rows, self._waiters
        self._rows, self._waiters, self._scheduled = [], [], False
        return taken

    def _try_again(self, error: sqlite3.Error, rows: list[tuple[Param, ...]], waiters: list[Waiter]) -> bool:
        """A locked file is tried again later, so that the loop goes on turning while it's locked."""
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        if not is_busy(error) or now - self._busy_since > self._busy_timeout_s:
            self._busy_since = None
            return False
        self._rows, self._waiters, self._scheduled = rows, waiters, True
        asyncio.get_running_loop().call_later(_RETRY_S, self._flush)
        return True

    def _apart(self, rows: list[tuple[Param, ...]], waiters: list[Waiter], error: Exception) -> None:
        """A row that breaks a rule (an id used twice, a number without bounds) fails alone, not its group."""
        if len(rows) == 1:
            fail(waiters, self._problem(error))
            return
        for row, waiter in zip(rows, waiters, strict=True):
            try:
                self._insert_patiently([row])
            except StorageError as problem:
                fail([waiter], problem)
            else:
                self._done([waiter])

    def _insert(self, rows: list[tuple[Param, ...]]) -> None:
        """All of `rows` or none."""
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

    def _insert_patiently(self, rows: list[tuple[Param, ...]]) -> None:
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                return self._insert(rows)
            except _OF_THE_ROW as error:
                raise self._problem(error) from error
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise self._problem(error) from error
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
        self._writable.proven()
        self._checkpointer.wrote()

    def _problem(self, error: Exception) -> StorageError:
        """What isn't the row's own fault, or another process's, will keep the next one from being written too."""
        failure = problem("the store could not be written", error, self._path)
        if not isinstance(error, _OF_THE_ROW) and not is_busy(error):
            self._writable.failed(failure)
        return failure
