"""What is stored, as values: a struct per table, its fields in the order of the table's columns.

The hot path needs no more than these; `storage/schema.py` has the same tables for SQLAlchemy.
"""

import datetime as dt
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import astuple

from perpend.types import Effort

Status = Literal["finished", "failed", "cancelled"]
Param = str | int | bytes | None
"""What the driver takes."""

REVISION = "0005"
"""The newest migration: a store that has it is opened without loading the migrator."""


class LedgerRow(Struct, frozen=True, kw_only=True, gc=False):
    """A request's entry in the ledger; tokens and dollars include all candidates. Summaries have a row of their own."""

    id: str
    key_id: str | None
    source: str
    """The door it came through: `chat`, `ask` …"""
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
    """None: not known, as a price isn't."""


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
    """Answers every request of this key, whatever model that names."""
    effort: Effort | None = None
    """Of requests that don't say how much to think."""
    max_thinking_tokens: int | None = None
    """Of requests that say no number of thinking tokens."""
    deadline_ms: int | None = None
    """Of requests without one."""
    temporary: bool = False
    """Made for one run of a program: it doesn't make a gateway ask others for keys."""


class ResponseRow(Struct, frozen=True):
    """An answer that a client may come back for."""

    id: str
    key_id: str | None
    """Whose it is: another key doesn't find it."""
    status: str
    body: bytes
    """JSON, as it was answered."""
    conversation: bytes
    """JSON of the messages that led to it, its own among them."""
    input: bytes = b"[]"
    """JSON of the items that its request brought, each with its id."""
    events: bytes = b""
    """The stream that it was answered with, where that can be asked for again."""


class ConversationRow(Struct, frozen=True):
    id: str
    key_id: str | None
    """Whose it is: another key doesn't find it."""
    created_at: int
    metadata: bytes
    """JSON, as its owner gave it."""


class ItemRow(Struct, frozen=True):
    """A turn of a conversation, or a part of one, as clients see it."""

    conversation_id: str
    id: str
    body: bytes
    """JSON."""


def ledger_params(row: LedgerRow) -> tuple[Param, ...]:
    """The row as the driver takes it: times in milliseconds, dollars as exact decimal text."""
    plain = astuple(row)[:-3]
    cost = None if row.cost_usd is None else f"{row.cost_usd:f}"
    return (*plain, millis(row.created_at), millis(row.finished_at), cost)


def millis(moment: dt.datetime) -> int:
    """Unix time in milliseconds."""
    return round(moment.timestamp() * 1000)


def moment(millis: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(millis / 1000, dt.UTC)
