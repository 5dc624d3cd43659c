"""The store: one SQLite file, written through one hot connection, queried through SQLAlchemy."""

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from perpend.private_files import private_file, private_folder
from perpend.storage.ledger_writer import Durability, LedgerWriter
from perpend.storage.rows import REVISION
from perpend.storage.sqlite import connect, existing_file_uri, is_busy, storage_error

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.exc import DBAPIError


_CHECK_S = 0.05
"""Seconds: another process's write takes far less, and a server's event loop can spare them now and then."""


class Store:
    """`writer` writes the ledger; `transaction` is for administration and reports."""

    def __init__(self, path: Path, connection: sqlite3.Connection, durability: Durability) -> None:
        self.path = path
        self.connection = connection
        """The hot connection: for the event loop's thread and short statements only."""
        self.writer = LedgerWriter(connection, path, durability)

    @classmethod
    def open(cls, path: Path, durability: Durability = "process") -> Self:
        """Open a store, created or migrated where needed. Raises StorageError."""
        try:
            private_folder(path.parent)
            private_file(path)
            connection = connect(path)
            try:
                if _revision(connection) != REVISION:
                    _migrate(path)
                connection.execute("PRAGMA busy_timeout=0")  # the writer waits without blocking the loop
                return cls(path, connection, durability)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise storage_error(f"the store {path} can't be opened", error, path) from error

    def check(self) -> None:
        """Raises StorageError where no row could be written within some 50 ms."""
        self.writer.check()
        deadline = time.monotonic() + _CHECK_S
        while True:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                self.connection.execute("ROLLBACK")
                return
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise storage_error(
                        f"the store {self.path} can't be written", error, self.path
                    ) from error
                time.sleep(0.005)

    def version(self) -> int:
        """A number that changes when another connection commits. Raises StorageError."""
        try:
            return self.connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise storage_error(f"the store {self.path} can't be read", error, self.path) from error

    @contextmanager
    def transaction(self) -> "Generator[Connection]":
        """A transaction on a connection of its own, through SQLAlchemy. Raises StorageError."""
        from sqlalchemy.exc import DBAPIError

        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise storage_error(f"the store {self.path} refused", _driver_error(error), self.path) from error

    @cached_property
    def _engine(self) -> "Engine":
        return _engine(self.path)

    def close(self) -> None:
        """Write the waiting rows, checkpoint and close."""
        try:
            self.writer.close()
        finally:
            self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _engine(path: Path) -> "Engine":
    from sqlalchemy import NullPool, create_engine

    connect = partial(sqlite3.connect, existing_file_uri(path), uri=True)
    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _revision(connection: sqlite3.Connection) -> str | None:
    marked = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if marked else None
    return None if row is None else row[0]


def _migrate(path: Path) -> None:
    from sqlalchemy.exc import DBAPIError

    from perpend.storage.migrate import migrate

    try:
        migrate(_engine(path))
    except DBAPIError as error:
        raise _driver_error(error) from error


def _driver_error(error: "DBAPIError") -> sqlite3.Error:
    return error.orig if isinstance(error.orig, sqlite3.Error) else sqlite3.Error(str(error))
