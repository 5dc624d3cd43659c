"""Migrations lead to exactly the tables that the code speaks of."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from ledger_rows import ledger_row
from sqlalchemy import inspect

from perpend.storage.migrate import scripts
from perpend.storage.rows import REVISION, ConversationRow, KeyRow, LedgerRow, ResponseRow, ledger_params
from perpend.storage.schema import conversations, keys, metadata, requests, responses
from perpend.storage.store import Store


def test_the_revision_that_opens_fast_is_the_newest() -> None:
    assert scripts().get_current_head() == REVISION


def test_migrations_and_tables_agree(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store, store.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        for table in (requests, keys, responses, conversations):
            found = [column["name"] for column in inspect(connection).get_columns(table.name)]
            assert found == [column.name for column in table.columns]


def test_structs_and_tables_agree() -> None:
    assert list(LedgerRow.__struct_fields__) == [column.name for column in requests.columns]
    assert list(ResponseRow.__struct_fields__) == [column.name for column in responses.columns]
    assert list(ConversationRow.__struct_fields__) == [column.name for column in conversations.columns]
    assert list(KeyRow.__struct_fields__) == [column.name for column in keys.columns]


def test_a_store_from_before_unknown_costs_keeps_its_rows_and_its_shape(tmp_path: Path) -> None:
    path = tmp_path / "perpend.db"
    with Store.open(path) as store, store.transaction() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            for revision in ("0008", "0007", "0006", "0005"):
                script = scripts().get_revision(revision)
                assert script is not None
                script.module.downgrade()
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
    with closing(sqlite3.connect(path)) as old, old:
        params = ledger_params(ledger_row(id="req_old"))[
            :-6
        ]  # without overdrafts, users and cache hits, which came later
        old.execute(f"INSERT INTO requests VALUES ({', '.join('?' * len(params))})", params)
    with Store.open(path) as store:
        store.writer.write_now([ledger_row(id="req_new", cost_usd=None)])
        found = store.connection.execute("SELECT id, cost_usd FROM requests ORDER BY id DESC").fetchall()
        assert [tuple(row) for row in found] == [("req_old", "0.0000123"), ("req_new", None)]
        (shape,) = store.connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'requests'"
        ).fetchone()
        assert "WITHOUT ROWID" in shape
