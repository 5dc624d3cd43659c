"""Durability against a power cut: a write is acknowledged only after an fsync of the write-ahead log."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from perpend.errors import StorageError

Waiter = asyncio.Future[None]


class Syncer:
    """Runs one fsync at a time; writes that come during one share the next."""

    def __init__(self, path: Path, failed: Callable[[StorageError], None]) -> None:
        """`failed` is called with the error of a sync that fails. Raises OSError where the log can't be opened."""
        self._path = path
        self._failed = failed
        self._file = os.open(f"{path}-wal", os.O_RDWR)
        _sync_folder(path.parent)  # so that a new file's name survives too
        self._executor = ThreadPoolExecutor(1, "perpend-fsync")
        self._waiting: list[Waiter] = []
        self._under_way = False

    def resolve_when_synced(self, waiters: list[Waiter]) -> None:
        """Resolve `waiters` after the next fsync that begins, or fail them with StorageError."""
        self._waiting += waiters
        if not self._under_way:
            self._start()

    def sync_now(self) -> None:
        """fsync in this thread. Raises StorageError."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise self._problem(error) from error

    def close(self) -> None:
        """fsync for the last time, and resolve or fail all waiters. Raises StorageError."""
        self._executor.shutdown()
        waiting, self._waiting = self._waiting, []
        try:
            self.sync_now()
            resolve(waiting)
        except StorageError as error:
            fail(waiting, error)
            raise
        finally:
            os.close(self._file)

    def _start(self) -> None:
        self._under_way = True
        waiters, self._waiting = self._waiting, []
        sync = asyncio.get_running_loop().run_in_executor(self._executor, os.fsync, self._file)
        sync.add_done_callback(partial(self._synced, waiters))

    def _synced(self, waiters: list[Waiter], sync: "asyncio.Future[None]") -> None:
        self._under_way = False
        error = sync.exception()
        if error is None:
            resolve(waiters)
        elif isinstance(error, OSError):
            failure = self._problem(error)
            self._failed(failure)
            fail(waiters, failure)
        else:
            fail(waiters, StorageError(f"the ledger could not be synced: {error}"))
        if self._waiting:
            self._start()

    def _problem(self, error: OSError) -> StorageError:
        what = f"the store could not be synced to disk: {error.strerror}"
        return StorageError(what, hint=f"check the disk of {self._path}")


def resolve(waiters: list[Waiter]) -> None:
    """Resolve those that weren't cancelled."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def fail(waiters: list[Waiter], error: StorageError) -> None:
    """Fail those that weren't cancelled."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows needs no sync of a folder
    descriptor = os.open(folder, os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
