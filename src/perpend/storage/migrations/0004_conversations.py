"""Conversations, what a response's request brought, and streams that can be asked for again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    empty = (("input", "x'5b5d'"), ("events", "x''"))
    for name, default in empty:
        column = sa.Column(name, sa.LargeBinary, nullable=False, server_default=sa.text(default))
        op.add_column("responses", column)
    op.create_table(
        "conversations",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("key_id", sa.String),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "conversation_items",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("conversation_id", sa.String, nullable=False, index=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("conversation_items")
    op.drop_table("conversations")
    op.drop_column("responses", "events")
    op.drop_column("responses", "input")
