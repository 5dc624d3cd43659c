"""The stored rows: a struct per table, its fields in the order of the table's columns.

The hot path uses these alone; `storage/schema.py` has the tables for SQLAlchemy.
"""

import datetime as dt
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import astuple

from perpend.config.limits import Allowance
from perpend.types import Effort

Status = Literal["finished", "failed", "cancelled"]
Param = str | int | bytes | None
"""A statement's parameter, as the SQLite driver accepts it."""

REVISION = "0008"
"""The newest migration. A store at this revision is opened without importing Alembic."""


class LedgerRow(Struct, frozen=True, kw_only=True, gc=False):
    """A request's entry in the ledger: tokens and US dollars of all candidates. Summaries have a row of their own."""

    id: str
    key_id: str | None
    source: str
    """What it came through: `chat`, `ask` …"""
    model: str
    model_version: str | None = None
    provider: str
    status: Status
    effort: str
    strategy: str
    input: int
    cached: int
    thinking: int
    answer: int
    requested_thinking: int = 0
    effective_thinking: int = 0
    lowered_by: str | None = None
    truncated: bool = False
    stop_reason: str | None = None
    error_code: str | None = None
    elapsed_ms: int
    created_at: dt.datetime
    finished_at: dt.datetime
    cost_usd: Decimal | None
    """None: unknown, since a price is."""
    overdraft_tokens: int = 0
    """Thinking and answer beyond what had been reserved for them."""
    overdraft_usd: Decimal = Decimal(0)
    user: str | None = None
    """The client's own name for who asked."""
    cache_hit: bool = False
    """It was answered from the response cache."""
    saved_tokens: int = 0
    """Input and output that the answer took when it was made."""
    saved_usd: Decimal | None = Decimal(0)
    """What it cost then; None: unknown, since a price is."""


class KeyRow(Struct, frozen=True, kw_only=True):
    """An API key; its secret is known by its hash alone."""

    id: str
    name: str
    hash: str
    """SHA-256 of the secret, in hex."""
    prefix: str
    """The secret's first characters, to recognise it by."""
    created_at: dt.datetime
    revoked_at: dt.datetime | None = None
    model: str | None = None
    """The model that answers all its requests, whatever model they name."""
    effort: Effort | None = None
    """For requests that don't say how much to think."""
    max_thinking_tokens: int | None = None
    """For requests that name no thinking budget."""
    deadline_ms: int | None = None
    """For requests without a deadline."""
    temporary: bool = False
    """Made for one run of a program: that it exists doesn't make a gateway require keys."""
    team: str | None = None
    """Whose limits hold as well."""
    admin: bool = False
    """It may manage keys and limits, through the gateway too."""
    limits: Allowance | None = None
    """Its own; they go before those of the config."""


class ResponseRow(Struct, frozen=True):
    """A stored response."""

    id: str
    key_id: str | None
    """Its owner: requests with another key don't find it."""
    status: str
    body: bytes
    """The response's JSON."""
    conversation: bytes
    """JSON of the messages up to and including its own."""
    input: bytes = b"[]"
    """JSON of its request's items, each with its id."""
    events: bytes = b""
    """Its event stream, where that can be replayed."""


class ConversationRow(Struct, frozen=True):
    """A conversation that a client keeps on the server."""

    id: str
    key_id: str | None
    """Its owner: requests with another key don't find it."""
    created_at: int
    metadata: bytes
    """The client's own JSON."""


class ItemRow(Struct, frozen=True):
    """An item of a conversation: a turn, or a part of one, in the dialect's JSON."""

    conversation_id: str
    id: str
    body: bytes
    """JSON."""


def ledger_params(row: LedgerRow) -> tuple[Param, ...]:
    """The row as parameters: times in Unix milliseconds, dollars as exact decimal text."""
    plain = astuple(row)[:-9]
    cost = None if row.cost_usd is None else f"{row.cost_usd:f}"
    saved = None if row.saved_usd is None else f"{row.saved_usd:f}"
    times = millis(row.created_at), millis(row.finished_at)
    over = row.overdraft_tokens, f"{row.overdraft_usd:f}"
    return (*plain, *times, cost, *over, row.user, row.cache_hit, row.saved_tokens, saved)


def millis(moment: dt.datetime) -> int:
    """Unix time in milliseconds."""
    return round(moment.timestamp() * 1000)


def moment(millis: int) -> dt.datetime:
    """The UTC time of Unix milliseconds."""
    return dt.datetime.fromtimestamp(millis / 1000, dt.UTC)
