"""Raw SQLite connections for the hot path, and SQLite's errors as StorageError with a hint."""

import sqlite3
import time
from pathlib import Path

from perpend.errors import StorageError

BUSY_TIMEOUT_S = 5.0
"""Seconds that a write waits while another process locks the file."""

_PRIMARY = 0xFF  # extended error codes keep the primary one in their low byte


def connect(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """An autocommit connection to an existing file, in WAL mode without automatic checkpoints. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        existing_file_uri(path),
        isolation_level=None,
        timeout=busy_timeout_s,
        check_same_thread=False,
        uri=True,
    )
    try:
        _enter_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
    except BaseException:
        connection.close()
        raise
    return connection


def existing_file_uri(path: Path) -> str:
    """An SQLite URI that opens only an existing file: a plain path would create one where it was moved away."""
    return f"{path.absolute().as_uri()}?mode=rw"


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode, retrying while another process does the same: here SQLite doesn't wait by itself."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def is_busy(error: Exception) -> bool:
    """Whether another connection holds a lock."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def storage_error(what: str, error: Exception, path: Path) -> StorageError:
    """`error` as a StorageError that begins with `what` and has a hint by SQLite's code."""
    hints = {
        sqlite3.SQLITE_BUSY: f"another process keeps {path} locked: end it, or set storage.path",
        sqlite3.SQLITE_IOERR: f"see the disk of {path}: it is broken, gone, or at a quota",
        sqlite3.SQLITE_FULL: f"free some space on the disk of {path}",
        sqlite3.SQLITE_READONLY: f"make {path} and its folder writable, or set storage.path",
        sqlite3.SQLITE_CANTOPEN: f"make {path} and its folder writable, or set storage.path",
        sqlite3.SQLITE_NOTADB: f"{path} isn't a Perpend database: move it away, or set storage.path",
        sqlite3.SQLITE_CORRUPT: f"{path} is damaged: restore it from a backup, or move it away",
    }
    code = sqlite3.SQLITE_CANTOPEN if isinstance(error, OSError) else _code(error)
    return StorageError(f"{what}: {error}", hint=hints.get(code, "perpend doctor checks the store"))


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
