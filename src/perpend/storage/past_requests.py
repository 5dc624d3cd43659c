"""A model's latest requests: their tokens, times and costs, for forecasts."""

from decimal import Decimal

from msgspec import Struct, convert
from sqlalchemy import select

from perpend.storage.schema import requests
from perpend.storage.store import Store


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
    query = (
        select(*(requests.c[name] for name in PastRequest.__struct_fields__))
        .where(requests.c.model == model, requests.c.status == "finished", ~requests.c.cache_hit)
        .order_by(requests.c.id.desc())
        .limit(limit)
    )
    with store.transaction() as connection:
        found = connection.execute(query).mappings()
        return [convert({str(name): value for name, value in row.items()}, PastRequest) for row in found]
