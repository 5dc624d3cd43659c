"""Meters: the counters of a subject's limits, one for each limit."""

import datetime as dt
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from perpend.serving.limits.subjects import Subject
from perpend.serving.limits.windows import Limit, Period, period
from perpend.storage.counters import Counter, CounterClaim, CounterTable

PICO = Decimal(10) ** 12
"""Picodollars in a US dollar: the price of one token has that many digits. Amounts are rounded up."""


def pico(usd: Decimal) -> int:
    """Converts US dollars to picodollars, rounded up."""
    return int((usd * PICO).to_integral_value(ROUND_CEILING))


def dollars(amount: int) -> Decimal:
    """Converts picodollars to US dollars."""
    return Decimal(amount) / PICO


class Meter:
    """The counter of one limit of one subject."""

    __slots__ = ("_counter", "_period", "_table", "_until", "bound", "known", "limit", "subject")

    def __init__(self, table: CounterTable, subject: Subject, limit: Limit) -> None:
        value: int | Decimal = getattr(subject.allowance, limit.field)
        self.subject = subject
        self.limit = limit
        self.bound = pico(value) if isinstance(value, Decimal) else value
        """In tokens, requests or picodollars."""
        self.known = limit.window in ("minute", "now")
        """Whether the counter includes the use from before this process started."""
        self._table = table
        self._until = 0.0
        self._period: Period
        self._counter: Counter

    def claim(self, amount: int, now: float) -> CounterClaim:
        """Returns a claim of `amount` at `now`, in Unix seconds. Raises StorageError where the counters are full."""
        self.turn(now)
        return CounterClaim(self._counter, self.bound, amount, self.limit.window == "minute")

    def turn(self, now: float) -> Period:
        """Switches to the period of `now`, in Unix seconds. Raises StorageError if the table of counters is full."""
        if now >= self._until:
            current = period(self.limit.window, dt.datetime.fromtimestamp(now, dt.UTC))
            name = f"{self.subject.kind} {self.subject.id} {self.limit.resource} {self.limit.window} {current.name}"
            self._counter = self._table.counter(name, expires_ms=current.expires_ms)
            self._period = current
            if self._until and current.begins is not None:
                self.known = True  # this process saw the period begin
            self._until = float("inf") if current.ends is None else current.ends.timestamp()
        return self._period

    def learn(self, used: int) -> None:
        """Raises the counter to `used`, the use in this period in the unit of `bound`."""
        self._table.raise_to(self._counter, used)
        self.known = True


class Meters(NamedTuple):
    """All limits of a request, in the order in which they are claimed."""

    subjects: tuple[Subject, ...]
    meters: tuple[Meter, ...]
