"""Migrations lead to exactly the tables that the code speaks of."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from perpend.storage.migrate import scripts
from perpend.storage.schema import conversations, keys, metadata, requests, responses
from perpend.storage.store import Store
from perpend.storage.tables import REVISION, ConversationRow, KeyRow, LedgerRow, ResponseRow


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
