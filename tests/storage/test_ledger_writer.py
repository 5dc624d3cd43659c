"""A row that was acknowledged is on record, whatever happens next; one that wasn't left no half behind."""

import asyncio
import datetime as dt
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ledger_rows import NOON, ledger_row
from sqlalchemy import insert
from sqlalchemy.dialects import sqlite

from perpend.errors import StorageError
from perpend.storage import checkpoint
from perpend.storage.ledger_writer import INSERT, Durability, LedgerWriter
from perpend.storage.rows import LedgerRow
from perpend.storage.schema import requests
from perpend.storage.sqlite import connect
from perpend.storage.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "perpend.db"


@pytest.fixture(params=["process", "power"])
def store(path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    with Store.open(path, request.param) as store:
        yield store


def on_record(path: Path) -> list[str]:
    """Ids as another process sees them."""
    connection = sqlite3.connect(path)
    found = [id_ for (id_,) in connection.execute("SELECT id FROM requests ORDER BY id")]
    connection.close()
    return found


def ids(rows: list[LedgerRow]) -> list[str]:
    return sorted(row.id for row in rows)


def test_the_statement_is_the_tables_own() -> None:
    compiled = insert(requests).compile(dialect=sqlite.dialect(paramstyle="qmark"))
    assert " ".join(str(compiled).split()).replace("( ", "(") == INSERT


class TestWriting:
    async def test_a_row_keeps_every_field(self, store: Store) -> None:
        await store.writer.write(ledger_row(id="req_1", cost_usd=Decimal("0.000000000123")))
        with store.transaction() as connection:
            found = dict(connection.execute(requests.select()).mappings().one())
        expected: dict[str, Any] = {
            name: getattr(ledger_row(id="req_1"), name) for name in LedgerRow.__struct_fields__
        }
        start = int(NOON.timestamp() * 1000)
        expected |= {
            "created_at": start,
            "finished_at": start + 1234,
            "cost_usd": "0.000000000123",
            "overdraft_usd": "0",
            "saved_usd": "0",
        }
        assert found == expected

    async def test_what_is_written_together_is_all_there(self, store: Store, path: Path) -> None:
        rows = [ledger_row() for _ in range(100)]
        await asyncio.gather(*(store.writer.write(row) for row in rows))
        assert on_record(path) == ids(rows)

    async def test_rows_that_come_one_after_the_other(self, store: Store, path: Path) -> None:
        rows = [ledger_row() for _ in range(20)]

        async def some(part: list[LedgerRow]) -> None:
            for row in part:
                await store.writer.write(row)
                assert row.id in on_record(path)

        await asyncio.gather(some(rows[:10]), some(rows[10:]))
        assert on_record(path) == ids(rows)

    async def test_a_cancelled_caller_is_on_record_all_the_same(self, store: Store, path: Path) -> None:
        row, other = ledger_row(), ledger_row()
        task = asyncio.ensure_future(store.writer.write(row))
        await asyncio.sleep(0)
        task.cancel()
        await store.writer.write(other)
        assert task.cancelled()
        assert on_record(path) == ids([row, other])

    def test_without_awaiting(self, store: Store, path: Path) -> None:
        rows = [ledger_row(status="cancelled") for _ in range(3)]
        store.writer.write_now(rows)
        assert on_record(path) == ids(rows)

    async def test_closing_writes_what_waits(self, path: Path) -> None:
        store = Store.open(path)
        row = ledger_row()
        task = asyncio.ensure_future(store.writer.write(row))
        await asyncio.sleep(0)
        store.close()
        await task
        assert on_record(path) == [row.id]

    async def test_under_constant_writing_the_log_starts_over(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checkpoint, "_EVERY_S", 0.01)
        monkeypatch.setattr(checkpoint, "_LONG_LOG", 50)

        def times_restarted() -> int:
            header = Path(f"{path}-wal").read_bytes()[:32]
            return int.from_bytes(header[12:16], "big")  # the log's checkpoint sequence number

        rows = 0
        with Store.open(path) as store:
            await store.writer.write(ledger_row())
            before = times_restarted()
            while times_restarted() < before + 3:
                await asyncio.gather(*(store.writer.write(ledger_row()) for _ in range(100)))
                rows += 100
                assert rows < 200_000
        assert len(on_record(path)) == rows + 1


class TestFailing:
    """Real SQLite, really full and really locked."""

    async def test_a_full_disk_fails_everyone_and_leaves_nothing_half_written(
        self, store: Store, path: Path
    ) -> None:
        await store.writer.write(ledger_row(id="first"))
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages}")
        writes = [store.writer.write(ledger_row()) for _ in range(200)]
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(result, StorageError) for result in results)
        assert "free some space" in str(results[0])
        assert on_record(path) == ["first"]
        store.connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
        await store.writer.write(ledger_row(id="second"))
        assert on_record(path) == ["first", "second"]

    async def test_an_id_used_twice_fails_alone(self, store: Store, path: Path) -> None:
        rows = [ledger_row(id=id_) for id_ in ("a", "b", "a", "c")]
        results = await asyncio.gather(*map(store.writer.write, rows), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), type(None), StorageError, type(None)]
        with pytest.raises(StorageError, match="UNIQUE"):
            await store.writer.write(ledger_row(id="a"))
        with pytest.raises(StorageError, match="UNIQUE"):
            store.writer.write_now([ledger_row(id="d"), ledger_row(id="b")])
        assert on_record(path) == ["a", "b", "c"]

    async def test_a_locked_file_is_waited_for_while_the_loop_goes_on(self, store: Store, path: Path) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        rows = [ledger_row(), ledger_row()]
        tasks = [asyncio.ensure_future(store.writer.write(row)) for row in rows[:1]]
        turns = 0
        for _ in range(20):
            await asyncio.sleep(0.005)
            turns += 1
        tasks.append(asyncio.ensure_future(store.writer.write(rows[1])))
        await asyncio.sleep(0)
        assert turns == 20
        assert not any(task.done() for task in tasks)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.gather(*tasks)
        assert on_record(path) == ids(rows)

    @pytest.mark.parametrize("durability", ["process", "power"])
    async def test_a_file_locked_for_too_long(self, path: Path, durability: Durability) -> None:
        with Store.open(path) as store:
            connection = connect(path, busy_timeout_s=0)
            writer = LedgerWriter(connection, path, durability, busy_timeout_s=0.05)
            store.connection.execute("BEGIN IMMEDIATE")
            results = await asyncio.gather(
                *(writer.write(ledger_row()) for _ in range(3)), return_exceptions=True
            )
            assert all(isinstance(result, StorageError) for result in results)
            with pytest.raises(StorageError, match="locked"):
                writer.write_now([ledger_row()])
            store.connection.execute("ROLLBACK")
            await writer.write(ledger_row(id="later"))
            assert on_record(path) == ["later"]
            writer.close()
            connection.close()

    async def test_a_disk_that_does_not_sync_is_no_success(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: int) -> None:
            raise OSError(5, "Input/output error")

        with Store.open(path, "power") as store:
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", refuse)
                rows = [store.writer.write(ledger_row()) for _ in range(3)]
                results = await asyncio.gather(*rows, return_exceptions=True)
                with pytest.raises(StorageError, match="Input/output"):
                    store.writer.write_now([ledger_row()])
            assert all(isinstance(result, StorageError) for result in results)
            await store.writer.write(ledger_row())


WRITE_UNTIL_KILLED = """
import asyncio, sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from ledger_rows import ledger_row
from perpend.storage.store import Store

async def client(writer, name):
    for number in range(10**9):
        row = ledger_row(id=f"{name}-{number}")
        if number % 10 == 9:
            writer.write_now([row])
        else:
            await writer.write(row)
        print(row.id, flush=True)
        await asyncio.sleep(0)

async def main():
    store = Store.open(Path(sys.argv[1]), sys.argv[2])
    await asyncio.gather(*(client(store.writer, f"{sys.argv[4]}-{i}") for i in range(8)))

asyncio.run(main())
"""


class TestKilling:
    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
    @pytest.mark.parametrize("durability", ["process", "power"])
    def test_every_acknowledged_row_outlives_kill_9(self, path: Path, durability: Durability) -> None:
        Store.open(path).close()
        helpers = str(Path(__file__).parent.parent)
        acknowledged: set[str] = set()
        for round_ in range(4):
            command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path), durability, helpers, str(round_)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            first = process.stdout.readline()
            # Whenever it happens: in a commit, in a checkpoint, between the two.
            time.sleep(random.uniform(0, 0.3 if round_ else 1.3))
            process.kill()
            heard = first + process.stdout.read()
            process.wait()
            process.stdout.close()
            assert len(first) > 1
            acknowledged |= {line for line in heard.split("\n")[:-1] if line}
            assert acknowledged <= set(on_record(path))
        assert len(acknowledged) > 8


def test_times_are_kept_to_the_millisecond(path: Path) -> None:
    at = dt.datetime(2026, 5, 4, 23, 59, 59, 999400, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    with Store.open(path) as store:
        store.writer.write_now([ledger_row(created_at=at)])
        (found,) = store.connection.execute("SELECT created_at FROM requests").fetchone()
    assert dt.datetime.fromtimestamp(found / 1000, dt.UTC) == at.replace(microsecond=999000)
