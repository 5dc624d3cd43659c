"""The counters of a subject's limits: a meter for each limit that it has."""

import datetime as dt
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from perpend.serving.limits.subjects import Subject
from perpend.serving.limits.windows import Limit, Period, period
from perpend.storage.counters import Counter, CounterClaim, CounterTable

PICO = Decimal(10) ** 12
"""Dollars are counted in millionths of a millionth, rounded up: prices of a token have so many digits."""


def pico(usd: Decimal) -> int:
    return int((usd * PICO).to_integral_value(ROUND_CEILING))


def dollars(amount: int) -> Decimal:
    return Decimal(amount) / PICO


class Meter:
    """One limit of one subject."""

    __slots__ = ("_counter", "_period", "_table", "_until", "bound", "known", "limit", "subject")

    def __init__(self, table: CounterTable, subject: Subject, limit: Limit) -> None:
        value: int | Decimal = getattr(subject.allowance, limit.field)
        self.subject = subject
        self.limit = limit
        self.bound = pico(value) if isinstance(value, Decimal) else value
        """In tokens, requests or millionths of a millionth of a dollar."""
        self.known = limit.window in ("minute", "now")
        """Its counter holds what the ledger says: of a period that began before this process did, too."""
        self._table = table
        self._until = 0.0
        self._period: Period
        self._counter: Counter

    def claim(self, amount: int, now: float) -> CounterClaim:
        """`now` in Unix seconds."""
        self.turn(now)
        return CounterClaim(self._counter, self.bound, amount, self.limit.window == "minute")

    def turn(self, now: float) -> Period:
        """Go on to the counter of the period that `now` is in."""
        if now >= self._until:
            current = period(self.limit.window, dt.datetime.fromtimestamp(now, dt.UTC))
            name = f"{self.subject.kind} {self.subject.id} {self.limit.resource} {self.limit.window} {current.name}"
            self._counter = self._table.counter(name, expires_ms=current.expires_ms)
            self._period = current
            if self._until and current.begins is not None:
                self.known = True  # it begins with this process looking on
            self._until = float("inf") if current.ends is None else current.ends.timestamp()
        return self._period

    def learn(self, used: int) -> None:
        """At least so much was used in this period."""
        self._table.raise_to(self._counter, used)
        self.known = True


class Meters(NamedTuple):
    """All that limits a request, in the order in which it is claimed."""

    subjects: tuple[Subject, ...]
    meters: tuple[Meter, ...]
