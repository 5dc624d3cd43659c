"""Checkpoints SQLite's write-ahead log into the database file, in a thread of its own."""

import logging
import sqlite3
import threading
from pathlib import Path

from perpend.storage.sqlite import connect

_EVERY_S = 1.0
_BUSY_TIMEOUT_S = 0.1
"""Short, since a checkpoint that waits for a reader may keep writers out."""
_LONG_LOG = 16_384
"""Pages (64 MiB): a longer log is restarted, which keeps writers out for a moment."""

_log = logging.getLogger(__name__)


class Checkpointer:
    """Runs a checkpoint each second in which something was written. Its fsyncs stall this thread, not the event loop.

    A checkpoint syncs the log first, so it also bounds the loss in a power cut to about a second.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._written = False

    def wrote(self) -> None:
        """Note that something was committed; the first call starts the thread."""
        self._written = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="perpend-checkpoint", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        last_error = ""
        while not self._stopping.wait(_EVERY_S):
            if not self._written:
                continue
            self._written = False
            try:
                connection = connection or connect(self._path, busy_timeout_s=_BUSY_TIMEOUT_S)
                checkpoint(connection)
                last_error = ""
            except sqlite3.Error as error:
                self._written = True
                if str(error) != last_error:  # once, not each second while a disk is full
                    last_error = str(error)
                    _log.warning("checkpoint of %s failed, will try again: %s", self._path, error)
        if connection is not None:
            connection.close()


def checkpoint(connection: sqlite3.Connection) -> None:
    """Checkpoint as far as it goes without blocking readers or writers. Raises sqlite3.Error.

    Under constant writes the log never restarts by itself (measured: it grew to 50,000 pages in six seconds), so past
    64 MiB it is made to.
    """
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if pages > _LONG_LOG:
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
