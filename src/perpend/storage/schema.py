"""The tables for SQLAlchemy: migrations are checked against them, and reports query them.

Times are Unix milliseconds; US dollars are exact decimal text, or NULL where a price is unknown: every database reads
them alike.
"""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, String, Table, text

metadata = MetaData()

requests = Table(
    "requests",
    metadata,
    Column("id", String, primary_key=True),
    Column("key_id", String),
    Column("source", String, nullable=False),
    Column("model", String, nullable=False),
    Column("model_version", String),
    Column("provider", String, nullable=False),
    Column("status", String, nullable=False),
    Column("effort", String, nullable=False),
    Column("strategy", String, nullable=False),
    Column("input", Integer, nullable=False),
    Column("cached", Integer, nullable=False),
    Column("thinking", Integer, nullable=False),
    Column("answer", Integer, nullable=False),
    Column("requested_thinking", Integer, nullable=False),
    Column("effective_thinking", Integer, nullable=False),
    Column("lowered_by", String),
    Column("truncated", Boolean, nullable=False),
    Column("stop_reason", String),
    Column("error_code", String),
    Column("elapsed_ms", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    Column("cost_usd", String),
    Column("overdraft_tokens", Integer, nullable=False, server_default="0"),
    Column("overdraft_usd", String, nullable=False, server_default="0"),
    Column("user", String),
    Column("cache_hit", Boolean, nullable=False, server_default="0"),
    Column("saved_tokens", Integer, nullable=False, server_default="0"),
    Column("saved_usd", String, server_default="0"),
    # One tree and no other index: each would be another page to write for every request. Ids that ascend
    # with time are appended to it.
    sqlite_with_rowid=False,
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
    Column("prefix", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("model", String),
    Column("effort", String),
    Column("max_thinking_tokens", Integer),
    Column("deadline_ms", Integer),
    Column("temporary", Boolean, nullable=False, server_default="0"),
    Column("team", String),
    Column("admin", Boolean, nullable=False, server_default="0"),
    Column("limits", String),
)

allowances = Table(
    "allowances",
    metadata,
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("limits", String, nullable=False),
    sqlite_with_rowid=False,
)

responses = Table(
    "responses",
    metadata,
    Column("id", String, primary_key=True),
    Column("key_id", String),
    Column("status", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("conversation", LargeBinary, nullable=False),
    Column("input", LargeBinary, nullable=False, server_default=text("x'5b5d'")),
    Column("events", LargeBinary, nullable=False, server_default=text("x''")),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", String, primary_key=True),
    Column("key_id", String),
    Column("created_at", BigInteger, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
)

conversation_items = Table(
    "conversation_items",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("conversation_id", String, nullable=False, index=True),
    Column("id", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # A position is never reused, so an appended item comes last even after deletions.
    sqlite_autoincrement=True,
)
