"""What was answered from the response cache is in the ledger, with what that saved."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("requests", sa.Column("cache_hit", sa.Boolean, nullable=False, server_default="0"))
    op.add_column("requests", sa.Column("saved_tokens", sa.Integer, nullable=False, server_default="0"))
    op.add_column("requests", sa.Column("saved_usd", sa.String, server_default="0"))


def downgrade() -> None:
    op.drop_column("requests", "saved_usd")
    op.drop_column("requests", "saved_tokens")
    op.drop_column("requests", "cache_hit")
