"""Keys are known by their hash; a revoked one stops working within a second."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from perpend.errors import BadRequest, NotFound, StorageError
from perpend.storage.keys import KeyRing, create_key, list_keys, revoke_key
from perpend.storage.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "perpend.db"


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TestKeeping:
    def test_the_secret_is_nowhere_in_the_file(self, path: Path) -> None:
        with Store.open(path) as store:
            secret, row = create_key(store, "laptop")
            assert secret.startswith("pk-")
            assert len(secret) == 46
            assert secret.startswith(row.prefix)
        assert secret[len(row.prefix) :].encode() not in path.read_bytes()
        assert row.hash.encode() in path.read_bytes()

    def test_listing_has_the_oldest_first(self, path: Path) -> None:
        with Store.open(path) as store:
            for name in ("b", "a", "c"):
                create_key(store, name)
            assert [key.name for key in list_keys(store)] == ["b", "a", "c"]

    @pytest.mark.parametrize("name", ["", "  "])
    def test_a_key_needs_a_name(self, path: Path, name: str) -> None:
        with Store.open(path) as store, pytest.raises(BadRequest, match="name"):
            create_key(store, name)

    def test_a_name_in_use_is_refused_until_its_key_is_revoked(self, path: Path) -> None:
        with Store.open(path) as store:
            create_key(store, "laptop")
            with pytest.raises(BadRequest, match="already"):
                create_key(store, "laptop")
            revoke_key(store, "laptop")
            create_key(store, "laptop")

    def test_what_holds_for_its_requests_is_kept(self, path: Path) -> None:
        with Store.open(path) as store:
            given: dict[str, Any] = {"model": "tiny", "effort": "low", "max_thinking_tokens": 64}
            _, row = create_key(store, "ci", **given, deadline_ms=5000, temporary=True)
            assert {name: getattr(row, name) for name in given} == given
            assert (row.deadline_ms, row.temporary) == (5000, True)
            assert list_keys(store) == [row]

    def test_what_the_database_refuses_is_a_storage_error(self, path: Path) -> None:
        with Store.open(path) as store:
            store.connection.execute("DROP TABLE keys")
            with pytest.raises(StorageError, match="no such table"):
                list_keys(store)


class TestRevoking:
    @pytest.mark.parametrize("how", ["id", "name", "prefix", "secret"])
    def test_by_anything_that_means_one_key(self, path: Path, how: str) -> None:
        with Store.open(path) as store:
            secret, row = create_key(store, "laptop")
            create_key(store, "other")
            meant = {"id": row.id, "name": row.name, "prefix": row.prefix, "secret": secret}[how]
            revoked = revoke_key(store, meant)
            assert revoked.id == row.id
            assert revoked.revoked_at is not None
            assert [key.name for key in list_keys(store) if key.revoked_at is None] == ["other"]

    @pytest.mark.parametrize("name", ["nobody", "pk-", "pk-00000000", ""])
    def test_what_means_none_is_not_found(self, path: Path, name: str) -> None:
        with Store.open(path) as store:
            create_key(store, "laptop")
            with pytest.raises(NotFound):
                revoke_key(store, name)

    def test_a_revoked_key_is_gone(self, path: Path) -> None:
        with Store.open(path) as store:
            create_key(store, "laptop")
            revoke_key(store, "laptop")
            with pytest.raises(NotFound):
                revoke_key(store, "laptop")

    def test_a_prefix_of_several_names_them(self, path: Path) -> None:
        with Store.open(path) as store:
            rows = [create_key(store, name)[1] for name in ("a", "b")]
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE keys SET prefix = 'pk-samesame'")
            connection.close()
            with pytest.raises(BadRequest, match="2 keys") as refused:
                revoke_key(store, "pk-same")
            assert all(row.id in str(refused.value.hint) for row in rows)


class TestKeyRing:
    def test_it_knows_active_keys_by_their_secret(self, path: Path) -> None:
        with Store.open(path) as store:
            secret, row = create_key(store, "laptop")
            ring = KeyRing(store)
            assert ring.lookup(secret) == row
            assert ring.lookup(secret + "x") is None
            assert ring.lookup("\udcff") is None

    def test_a_key_made_or_revoked_elsewhere_is_noticed_within_a_second(self, path: Path) -> None:
        clock = Clock()
        with Store.open(path) as store, Store.open(path) as elsewhere:
            ring = KeyRing(store, clock)
            assert not ring.any_exist
            secret, _ = create_key(elsewhere, "laptop")
            clock.now += 1
            assert ring.any_exist
            assert ring.lookup(secret) is not None
            revoke_key(elsewhere, "laptop")
            clock.now += 1
            assert ring.lookup(secret) is None

    def test_and_so_is_one_of_this_process(self, path: Path) -> None:
        clock = Clock()
        with Store.open(path) as store:
            ring = KeyRing(store, clock)
            assert not ring.any_exist
            secret, _ = create_key(store, "laptop")
            clock.now += 1
            assert ring.lookup(secret) is not None

    def test_revoking_the_last_key_does_not_open_the_door(self, path: Path) -> None:
        with Store.open(path) as store:
            create_key(store, "laptop")
            revoke_key(store, "laptop")
            assert KeyRing(store).any_exist

    def test_a_key_for_one_run_does_not_close_it(self, path: Path) -> None:
        """Whoever used this machine's gateway without a key still can."""
        clock = Clock()
        with Store.open(path) as store:
            ring = KeyRing(store, clock)
            secret, _ = create_key(store, "run", temporary=True)
            clock.now += 1
            assert ring.lookup(secret) is not None
            assert not ring.any_exist
