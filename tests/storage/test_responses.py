"""Answers are kept for their owner, for a time."""

from pathlib import Path

from perpend.storage.responses import ResponseStore
from perpend.storage.rows import ResponseRow
from perpend.storage.store import Store
from perpend.types import new_id


def row(id_: str, key_id: str | None = None, body: bytes = b"{}") -> ResponseRow:
    return ResponseRow(id_, key_id, "completed", body, b"[]")


async def test_one_comes_back_to_its_owner_alone(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store:
        responses = ResponseStore(store, 1)
        nobodys, mine = row(new_id("resp")), row(new_id("resp"), "key_1")
        await responses.put(nobodys)
        await responses.put(mine)
        assert responses.get(mine.id, "key_1") == mine
        assert responses.get(mine.id, "key_2") is None
        assert responses.get(mine.id, None) is None
        assert responses.get(nobodys.id, None) == nobodys
        assert responses.get(nobodys.id, "key_1") is None


async def test_a_newer_one_takes_its_place_and_another_process_finds_it(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store, Store.open(tmp_path / "perpend.db") as other:
        id_ = new_id("resp")
        await ResponseStore(store, 1).put(row(id_))
        await ResponseStore(store, 1).put(row(id_, body=b'{"status": "completed"}'))
        assert ResponseStore(other, 1).get(id_, None) == row(id_, body=b'{"status": "completed"}')


async def test_one_is_deleted_by_its_owner_alone(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store:
        responses, mine = ResponseStore(store, 1), row(new_id("resp"), "key_1")
        await responses.put(mine)
        await responses.delete(mine.id, "key_2")
        assert responses.get(mine.id, "key_1") == mine
        await responses.delete(mine.id, "key_1")
        assert responses.get(mine.id, "key_1") is None


async def test_what_has_expired_is_gone(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db", durability="power") as store:
        old = row("resp_000000000001abcdef")
        await ResponseStore(store, 40_000).put(old)
        assert ResponseStore(store, 40_000).get(old.id, None) == old
        assert ResponseStore(store, 30).get(old.id, None) is None
        await ResponseStore(store, 30).put(row(new_id("resp")))
        assert store.connection.execute("SELECT count(*) FROM responses").fetchone() == (1,)
