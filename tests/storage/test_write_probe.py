"""A row that couldn't be written is known before anything is spent."""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_rows import ledger_row

from perpend.errors import StorageError, StoreUnavailable
from perpend.storage import write_probe
from perpend.storage.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "perpend.db"


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(write_probe, "_EVERY_S", 0.0)
    with Store.open(path) as store:
        yield store


def refused(store: Store) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        store.writer.check()
    assert (caught.value.status, caught.value.retry_after) == (503, 5.0)
    with pytest.raises(StorageError):
        store.check()
    return caught.value


def test_usually_there_is_room(store: Store) -> None:
    store.writer.check()
    store.check()


def test_a_disk_that_is_nearly_full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=1000)

    def disk_usage(path: Path) -> Any:
        return full

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    assert "full" in refused(store).message
    monkeypatch.undo()
    monkeypatch.setattr(write_probe, "_EVERY_S", 0.0)
    store.writer.check()


def test_a_file_that_was_moved_away_and_one_that_took_its_place(store: Store, path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    assert "gone" in refused(store).message
    path.touch()
    assert "moved away" in refused(store).message
    path.with_suffix(".old").rename(path)
    store.writer.check()


async def test_a_write_that_failed_counts_until_one_succeeds(store: Store) -> None:
    """Full by SQLite's own limit, which nothing but a write tells of."""
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    writes = [store.writer.write(ledger_row()) for _ in range(200)]
    assert any(
        isinstance(done, StorageError) for done in await asyncio.gather(*writes, return_exceptions=True)
    )
    assert "free some space" in str(refused(store).hint)
    store.connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    store.writer.check()
    await store.writer.write(ledger_row())


async def test_what_only_a_write_tells_is_known_before_the_first_row(store: Store) -> None:
    """Nothing was written yet, and no figure of the disk says it."""
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    assert "can't be written" in refused(store).message


async def test_a_row_that_was_written_is_proof_enough(store: Store) -> None:
    tried: list[str] = []
    store.connection.set_trace_callback(tried.append)
    store.writer.check()
    assert any("CREATE TABLE" in statement for statement in tried)
    await store.writer.write(ledger_row())
    tried.clear()
    store.writer.check()
    assert not tried


async def test_who_keeps_it_locked_for_longer_than_a_row_waits(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for now[0] in (1000.0, 1002.0, 1004.0):
        store.writer.check()
    now[0] = 1005.0
    with pytest.raises(StoreUnavailable) as caught:
        store.writer.check()
    assert "locked" in caught.value.message
    for now[0] in (1011.0, 1012.0):  # nobody looked meanwhile: it may be another time
        store.writer.check()
    other.execute("ROLLBACK")
    other.close()
    now[0] = 1020.0
    store.writer.check()


@pytest.mark.parametrize("fault", [{"input": 10**30}, {"model": "\ud800"}, {"id": "twice"}])
async def test_a_fault_of_one_row_is_neither_the_stores_nor_its_groups(
    store: Store, fault: dict[str, Any]
) -> None:
    await store.writer.write(ledger_row(id="twice"))
    rows = (ledger_row(), ledger_row(**fault), ledger_row())
    writes = asyncio.gather(*map(store.writer.write, rows), return_exceptions=True)
    first, second, third = await asyncio.wait_for(writes, 5)
    assert (first, third) == (None, None)
    assert isinstance(second, StorageError)
    store.writer.check()


async def test_a_sync_that_failed_counts_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_probe, "_EVERY_S", 0.0)

    def fsync(file: int) -> None:
        raise OSError(28, "No space left on device")

    with Store.open(path, "power") as store:
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(StorageError, match="No space left"):
            await store.writer.write(ledger_row())
        assert "synced" in refused(store).message
        monkeypatch.undo()
        monkeypatch.setattr(write_probe, "_EVERY_S", 0.0)
        store.writer.check()


def test_a_file_that_was_moved_away_is_not_made_again(store: Store, path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    with pytest.raises(StorageError), store.transaction():
        pass
    assert not path.exists()
    path.with_suffix(".old").rename(path)


def test_what_clients_are_told_names_no_path(store: Store, path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    error = refused(store)
    path.with_suffix(".old").rename(path)
    assert str(path) in str(error)
    assert str(path.parent) not in f"{error.client_message}"


def test_looks_are_far_between(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    usage = shutil.disk_usage("/")

    def disk_usage(path: Path) -> Any:
        looks.append(path)
        return usage

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    with Store.open(path) as store:
        for _ in range(1000):
            store.writer.check()
    assert len(looks) == 1
