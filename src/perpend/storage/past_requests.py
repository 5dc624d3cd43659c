"""The latest requests: their tokens, times and costs, for forecasts."""

import sqlite3
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct, convert

from perpend.storage.sqlite import storage_error
from perpend.storage.store import Store

_SPENDS = """SELECT model, strategy, effective_thinking, thinking, answer FROM requests
WHERE status = 'finished' AND NOT truncated AND strategy NOT IN ('summary', 'embeddings') ORDER BY id DESC LIMIT ?"""


class PastRequest(Struct, frozen=True):
    """A finished request: columns of its ledger row."""

    strategy: str
    requested_thinking: int
    thinking: int
    answer: int
    created_at: int
    """Unix milliseconds."""
    finished_at: int
    cost_usd: Decimal | None

    @property
    def output(self) -> int:
        """Thinking and answer tokens."""
        return self.thinking + self.answer


def latest_requests(store: Store, model: str, limit: int = 500) -> list[PastRequest]:
    """The finished requests that a model answered, newest first, at most `limit`. Raises StorageError.

    What came from the response cache says nothing of the model.
    """
    from sqlalchemy import select

    from perpend.storage.schema import requests

    query = (
        select(*(requests.c[name] for name in PastRequest.__struct_fields__))
        .where(requests.c.model == model, requests.c.status == "finished", ~requests.c.cache_hit)
        .order_by(requests.c.id.desc())
        .limit(limit)
    )
    with store.transaction() as connection:
        found = connection.execute(query).mappings()
        return [convert({str(name): value for name, value in row.items()}, PastRequest) for row in found]


class PastSpend(NamedTuple):
    """What a request that came to its end took, and what it might have."""

    model: str
    strategy: str
    effective_thinking: int
    thinking: int
    answer: int


def latest_spends(store: Store, limit: int) -> list[PastSpend]:
    """Those of all models, newest first, at most `limit`. Raises StorageError."""
    # On the hot connection and without SQLAlchemy, since a server does this when it starts.
    try:
        return [PastSpend(*row) for row in store.connection.execute(_SPENDS, (limit,))]
    except sqlite3.Error as error:
        raise storage_error("past requests can't be read", error, store.path) from error
