"""A row that couldn't be written is known before anything is spent."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_rows import ledger_row

from perpend.errors import StorageError, StoreUnavailable
from perpend.storage import writable
from perpend.storage.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "perpend.db"


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(writable, "_EVERY_S", 0.0)
    with Store.open(path) as store:
        yield store


def refused(store: Store) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        store.writer.check()
    assert (caught.value.status, caught.value.retry_after > 0) == (503, True)
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
    monkeypatch.setattr(writable, "_EVERY_S", 0.0)
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
