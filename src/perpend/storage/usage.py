"""Sums over the ledger: who used which model on which day, and what it cost, exactly."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Integer, cast, func, literal, select

from perpend.storage.rows import millis, moment
from perpend.storage.schema import keys, requests
from perpend.storage.store import Store

Dimension = Literal["key", "user", "model", "day"]
DIMENSIONS: tuple[Dimension, ...] = ("key", "user", "model", "day")
_USUAL: tuple[Dimension, ...] = ("key", "model", "day")
_FIRST_DAY = dt.date(1970, 1, 1)
_DAY_MS = 86_400_000
_SUMMED = ("input", "cached", "thinking", "answer", "saved_tokens")


class UsageRow(Struct, kw_only=True):
    """Sums over requests. Dimensions that weren't asked for are None; so is `key` for requests without one."""

    key: str | None = None
    """The key's name, or its id where the key is deleted."""
    user: str | None = None
    """As requests name it."""
    model: str | None = None
    day: dt.date | None = None
    """In UTC, by the request's start."""
    requests: int = 0
    input: int = 0
    cached: int = 0
    thinking: int = 0
    answer: int = 0
    cost_usd: Decimal | None = Decimal(0)
    """Of the requests whose cost is known; None where there are none."""
    unpriced: int = 0
    """Requests whose cost is unknown, since a price is."""
    cache_hits: int = 0
    """Requests that were answered from the response cache."""
    saved_tokens: int = 0
    """Input and output that their answers took when they were made."""
    saved_usd: Decimal = Decimal(0)
    """What those cost then, where that is known."""

    def add(self, other: "UsageRow") -> None:
        """Add another row's sums to these."""
        self.input += other.input
        self.cached += other.cached
        self.thinking += other.thinking
        self.answer += other.answer
        if self.cost_usd is None or not self.requests:
            self.cost_usd = other.cost_usd
        elif other.cost_usd is not None:
            self.cost_usd += other.cost_usd
        self.unpriced += other.unpriced
        self.cache_hits += other.cache_hits
        self.saved_tokens += other.saved_tokens
        self.saved_usd += other.saved_usd
        self.requests += other.requests


def usage(
    store: Store,
    by: Sequence[Dimension] = _USUAL,
    since: dt.date | None = None,
    key_id: str | None = None,
) -> list[UsageRow]:
    """Sums for each combination of `by`, ordered; failed and cancelled requests count with what they used.

    `since` is the first day (UTC), `key_id` the only key that counts. No dimensions: one row with the total. Raises
    StorageError.
    """
    sums: dict[tuple[str | dt.date | None, ...], UsageRow] = {}
    where: list[ColumnElement[bool]] = []
    if since is not None:
        where.append(requests.c.created_at >= millis(dt.datetime.combine(since, dt.time(), dt.UTC)))
    if key_id is not None:
        where.append(requests.c.key_id == key_id)
    for row in _grouped(store, by, where):
        group = (row.key, row.user, row.model, row.day)
        if group in sums:
            sums[group].add(row)
        else:
            sums[group] = row
    return [row for _, row in sorted(sums.items(), key=lambda item: [str(part or "") for part in item[0]])]


def total(rows: Sequence[UsageRow]) -> UsageRow:
    """The sum of all rows, without dimensions."""
    summed = UsageRow()
    for row in rows:
        summed.add(row)
    return summed


def used_by(
    store: Store,
    since: dt.datetime | None,
    *,
    key_id: str | None = None,
    team: str | None = None,
    user: str | None = None,
) -> UsageRow:
    """The sum over one key's requests, a team's, or a user's of either; without any, over those that had no key.

    Raises StorageError.
    """
    where: list[ColumnElement[bool]] = []
    if key_id is team is None:
        where.append(requests.c.key_id.is_(None))
    if key_id is not None:
        where.append(requests.c.key_id == key_id)
    if team is not None:
        where.append(keys.c.team == team)
    if user is not None:
        where.append(requests.c.user == user)
    if since is not None:
        where.append(requests.c.created_at >= millis(since))
    return total(_grouped(store, (), where))


def last_used(store: Store) -> dict[str, dt.datetime]:
    """When each key's last request began, by the key's id; unused keys are missing. Raises StorageError."""
    query = (
        select(requests.c.key_id, func.max(requests.c.created_at))
        .where(requests.c.key_id.is_not(None))
        .group_by(requests.c.key_id)
    )
    with store.transaction() as connection:
        return {str(key_id): moment(at) for key_id, at in connection.execute(query)}


def cut_short(store: Store, key_id: str) -> dict[str, int]:
    """A key's requests without a complete answer, counted by stop reason or error code. Raises StorageError."""
    why = func.coalesce(requests.c.error_code, requests.c.stop_reason)
    query = (
        select(why, func.count())
        .where(requests.c.key_id == key_id, requests.c.truncated | (requests.c.status != "finished"))
        .group_by(why)
        .order_by(why)
    )
    with store.transaction() as connection:
        return {str(reason): count for reason, count in connection.execute(query)}


def _grouped(store: Store, by: Sequence[Dimension], where: Sequence[ColumnElement[bool]]) -> list[UsageRow]:
    """The database sums tokens. Requests of the same dollars are counted, and multiplied here, so no digit is lost."""
    dimensions: dict[Dimension, ColumnElement[Any]] = {
        "key": func.coalesce(keys.c.name, requests.c.key_id),
        "user": requests.c.user,
        "model": requests.c.model,
        "day": requests.c.created_at // literal(_DAY_MS),
    }
    chosen = [dimensions[name].label(name) for name in by]
    sums = [func.sum(requests.c[name]).label(name) for name in _SUMMED]
    dollars = requests.c.cost_usd, requests.c.saved_usd
    hits = func.sum(cast(requests.c.cache_hit, Integer)).label("cache_hits")
    query = (
        select(*chosen, *dollars, func.count().label("requests"), hits, *sums)
        .select_from(requests.outerjoin(keys, keys.c.id == requests.c.key_id))
        .where(*where)
        .group_by(*(dimensions[name] for name in by), *dollars)
    )
    with store.transaction() as connection:
        return [_row(dict(found)) for found in connection.execute(query).mappings()]


def _row(found: dict[Any, Any]) -> UsageRow:
    """`found`: columns by the row's field names; the day as a number, dollars of one request as text or None."""
    if "day" in found:
        found["day"] = _FIRST_DAY + dt.timedelta(days=found["day"])
    if found["cost_usd"] is None:
        found["unpriced"] = found["requests"]
    else:
        found["cost_usd"] = Decimal(found["cost_usd"]) * found["requests"]
    found["saved_usd"] = Decimal(found["saved_usd"] or 0) * found["requests"]
    return UsageRow(**found)
