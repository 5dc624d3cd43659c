"""What was spent beyond its reservation is in the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("requests", sa.Column("overdraft_tokens", sa.Integer, nullable=False, server_default="0"))
    op.add_column("requests", sa.Column("overdraft_usd", sa.String, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("requests", "overdraft_usd")
    op.drop_column("requests", "overdraft_tokens")
