"""A request's cost may be unknown: NULL, where nobody said what its model costs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _cost(nullable=True)


def downgrade() -> None:
    op.execute("UPDATE requests SET cost_usd = '0' WHERE cost_usd IS NULL")
    _cost(nullable=False)


def _cost(*, nullable: bool) -> None:
    # SQLite alters no column: the table is written anew, and keeps its shape only where that is said
    with op.batch_alter_table("requests", table_kwargs={"sqlite_with_rowid": False}) as requests:
        requests.alter_column("cost_usd", existing_type=sa.String, nullable=nullable)
