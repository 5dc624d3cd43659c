"""The latest requests of a model: how much they took, when."""

from decimal import Decimal

from msgspec import Struct, convert
from sqlalchemy import select

from perpend.storage.schema import requests
from perpend.storage.store import Store


class Past(Struct, frozen=True):
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
        return self.thinking + self.answer


def latest(store: Store, model: str, most: int = 500) -> list[Past]:
    """The newest first."""
    query = (
        select(*(requests.c[name] for name in Past.__struct_fields__))
        .where(requests.c.model == model, requests.c.status == "finished")
        .order_by(requests.c.id.desc())
        .limit(most)
    )
    with store.transaction() as connection:
        found = connection.execute(query).mappings()
        return [convert({str(name): value for name, value in row.items()}, Past) for row in found]
