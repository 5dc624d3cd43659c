"""What holds for the requests of a key, and keys that are made for one run."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_DEFAULTS = {
    "model": sa.String,
    "effort": sa.String,
    "max_thinking_tokens": sa.Integer,
    "deadline_ms": sa.Integer,
}


def upgrade() -> None:
    for name, kind in _DEFAULTS.items():
        op.add_column("keys", sa.Column(name, kind))
    op.add_column("keys", sa.Column("temporary", sa.Boolean, nullable=False, server_default="0"))


def downgrade() -> None:
    for name in (*_DEFAULTS, "temporary"):
        op.drop_column("keys", name)
