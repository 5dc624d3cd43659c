"""A request's row in the durable ledger: who asked for what, what it used, what it cost, how it ended."""

import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from perpend.types import Effort, LoweredBy, StopReason

Status = Literal["finished", "failed", "cancelled"]


class LedgerRow(Struct, frozen=True, kw_only=True, gc=False):
    id: str
    key_id: str | None
    source: str
    """The door it came through: `chat`, `ask` …"""
    model: str
    model_version: str | None
    provider: str
    created_at: datetime.datetime
    finished_at: datetime.datetime
    status: Status
    effort: Effort
    strategy: str
    input: int
    cached: int
    thinking: int
    answer: int
    cost_usd: Decimal
    requested_thinking: int
    effective_thinking: int
    lowered_by: LoweredBy | None
    truncated: bool
    stop_reason: StopReason | None
    error_code: str | None
    elapsed_ms: int
