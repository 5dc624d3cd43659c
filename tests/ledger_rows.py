"""Ledger rows for tests."""

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

from perpend.storage.rows import LedgerRow

NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
_numbers = itertools.count()


def ledger_row(**changes: Any) -> LedgerRow:
    """A finished request that thought for 100 tokens, with a new id unless `changes` has one."""
    fields: dict[str, Any] = {
        "id": f"req_{next(_numbers):012x}",
        "key_id": None,
        "source": "chat",
        "model": "m",
        "model_version": "m-1",
        "provider": "embedded",
        "status": "finished",
        "effort": "medium",
        "strategy": "single",
        "input": 20,
        "cached": 5,
        "thinking": 100,
        "answer": 10,
        "requested_thinking": 256,
        "effective_thinking": 128,
        "lowered_by": "load",
        "truncated": False,
        "stop_reason": "stop",
        "error_code": None,
        "elapsed_ms": 1234,
        "created_at": NOON,
        "finished_at": NOON + dt.timedelta(seconds=1.234),
        "cost_usd": Decimal("0.0000123"),
    }
    return LedgerRow(**(fields | changes))
