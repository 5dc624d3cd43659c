"""Moves what was committed from the write-ahead log into the database file, in a thread of its own."""

import logging
import sqlite3
import threading
from pathlib import Path

from perpend.storage.sqlite import connect

_EVERY_S = 1.0
_PATIENCE_S = 0.1
"""Short: a checkpoint that waits for a reader may be keeping writers out meanwhile."""
_LONG_LOG = 16_384
"""Pages (64 MiB): a log this long is made to start over, which keeps writers out for a moment."""

_log = logging.getLogger(__name__)


class Checkpointer:
    """Once a second, when something was written. Its fsyncs stall this thread and no event loop.

    A checkpoint syncs the log first, so this is also what bounds the loss in a power cut to about a second.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._written = False

    def wrote(self) -> None:
        """Something was committed; the first time starts the thread."""
        self._written = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="perpend-checkpoint", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        trouble = ""
        while not self._stopping.wait(_EVERY_S):
            if not self._written:
                continue
            self._written = False
            try:
                connection = connection or connect(self._path, busy_timeout_s=_PATIENCE_S)
                checkpoint(connection)
                trouble = ""
            except sqlite3.Error as error:
                self._written = True
                if str(error) != trouble:  # once, and not each second of a full disk
                    trouble = str(error)
                    _log.warning("checkpoint of %s failed, will try again: %s", self._path, error)
        if connection is not None:
            connection.close()


def checkpoint(connection: sqlite3.Connection) -> None:
    """Fold the log in, as far as it goes without getting in anybody's way.

    Under constant writes the log never starts over by itself (measured: it grew with every row, to 50,000
    pages in six seconds): past 64 MiB it is made to.
    """
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if pages > _LONG_LOG:
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
