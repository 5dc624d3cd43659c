"""Keys have limits, a team and an admin's rights; teams and users have limits; the ledger names the user."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("requests", sa.Column("user", sa.String))
    op.add_column("keys", sa.Column("team", sa.String))
    op.add_column("keys", sa.Column("admin", sa.Boolean, nullable=False, server_default="0"))
    op.add_column("keys", sa.Column("limits", sa.String))
    op.create_table(
        "allowances",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("limits", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("allowances")
    op.drop_column("keys", "limits")
    op.drop_column("keys", "admin")
    op.drop_column("keys", "team")
    op.drop_column("requests", "user")
