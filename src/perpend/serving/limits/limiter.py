"""Finds the limits of a request, and opens the counters that all workers of a machine share."""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from perpend.config.limits import LimitsConfig
from perpend.serving.asgi import Header, Scope
from perpend.serving.limits.gate import LimitGate
from perpend.serving.limits.headers import rate_headers
from perpend.serving.limits.meters import Meter, Meters, pico
from perpend.serving.limits.subjects import LimitedKey, Subject, subjects
from perpend.serving.limits.watch import LimitWatch
from perpend.serving.limits.windows import LIMITS, Period
from perpend.storage.allowances import Allowances
from perpend.storage.counters import CounterTable

if TYPE_CHECKING:
    from perpend.storage.usage import UsageRow

_MOST_KNOWN = 10_000
"""The most subjects, and pairs of key and user, that are cached."""


class LimitedKeys(Protocol):
    """The current keys and limits; see `storage.keys.KeyRing`."""

    def by_id(self, id_: str) -> LimitedKey | None: ...

    @property
    def allowances(self) -> Allowances: ...


Used = Callable[[Subject, dt.datetime | None], "UsageRow"]
"""Reads a subject's use since a time from the ledger; blocks. Raises StorageError."""


class _Known(NamedTuple):
    """The limits of a key and a user, valid until the key's row or a stored limit changes."""

    key: LimitedKey | None
    allowances: Allowances
    meters: Meters


class Limiter:
    def __init__(
        self, config: LimitsConfig, keys: LimitedKeys, folder: Path, used: Used, watch: LimitWatch
    ) -> None:
        """`folder`: of the counters, created at the first limited request."""
        self._config = config
        self._keys = keys
        self._folder = folder
        self._used = used
        self._watch = watch
        self._known: dict[tuple[str | None, str | None], _Known] = {}
        self._meters: dict[Subject, tuple[Meter, ...]] = {}
        self._opened = False
        named = config.user_header
        self._user_header = None if named is None else named.lower().encode()

    def gate(self, key_id: str | None, user: str | None) -> LimitGate | None:
        """Returns a request's gate; None without limits. Raises StorageError if the counters can't be opened."""
        meters = self._of(key_id, user)
        return LimitGate(meters, self._table, self._learn, self._watch) if meters.subjects else None

    def user_of(self, scope: Scope) -> str | None:
        """Returns the user in the header that the config names; None without one."""
        if self._user_header is not None:
            for name, value in scope["headers"]:
                if name == self._user_header:
                    return value.decode("latin-1").strip() or None
        return None

    def headers(self, key_id: str | None, user: str | None) -> list[Header]:
        """Returns the current `x-ratelimit-*` headers. Raises StorageError where the counters can't be opened."""
        meters = self._of(key_id, user).meters
        return rate_headers(meters, self._table) if meters else []

    async def aclose(self) -> None:
        """Cancels alerts under way and closes the counters."""
        await self._watch.aclose()
        if self._opened:
            self._opened = False
            self._table.close()

    @cached_property
    def _table(self) -> CounterTable:
        self._opened = True
        return CounterTable.open(self._folder)

    def _of(self, key_id: str | None, user: str | None) -> Meters:
        keys, who = self._keys, (key_id, user)
        key, allowances = None if key_id is None else keys.by_id(key_id), keys.allowances
        known = self._known.get(who)
        if known is not None and known.key is key and known.allowances is allowances:
            return known.meters
        found = subjects(key, user, self._config, allowances)
        meters: list[Meter] = []
        for subject in found:
            meters += self._meters.get(subject) or self._new_meters(subject)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[who] = known = _Known(key, allowances, Meters(found, tuple(meters)))
        return known.meters

    def _new_meters(self, subject: Subject) -> tuple[Meter, ...]:
        if len(self._meters) >= _MOST_KNOWN:
            self._meters.clear()  # the counters keep the use
        limited = [limit for limit in LIMITS if getattr(subject.allowance, limit.field) is not None]
        meters = tuple(Meter(self._table, subject, limit) for limit in limited)
        self._meters[subject] = meters
        return meters

    async def _learn(self, meters: Sequence[Meter]) -> None:
        """Raises the meters' counters to the use in the ledger, whose rows survive a crash. Raises StorageError."""
        now = dt.datetime.now(dt.UTC).timestamp()
        asked: dict[tuple[Subject, Period], list[Meter]] = {}
        for meter in meters:
            asked.setdefault((meter.subject, meter.turn(now)), []).append(meter)
        for (subject, period), those in asked.items():
            row = await asyncio.to_thread(self._used, subject, period.begins)
            used = {"requests": row.requests, "input": row.input, "thinking": row.thinking}
            used |= {"answer": row.answer, "usd": pico(row.cost_usd or Decimal(0))}
            for meter in those:
                meter.learn(used[meter.limit.resource])
