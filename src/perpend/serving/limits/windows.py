"""All limits by name, and the time window of each."""

import datetime as dt
from typing import Literal, NamedTuple

Resource = Literal["requests", "input", "thinking", "answer", "usd", "concurrent"]
Window = Literal["minute", "day", "month", "total", "now"]
"""A minute refills steadily; days and months are those of UTC; `now` counts requests under way."""

_KEPT_DAYS = 2
"""Days that a counter is kept after its period, as requests may still be under way."""


class Limit(NamedTuple):
    field: str
    """Its name in `config.limits.Allowance`."""
    resource: Resource
    window: Window


LIMITS = (
    Limit("concurrent_requests", "concurrent", "now"),
    Limit("requests_per_minute", "requests", "minute"),
    Limit("requests_per_day", "requests", "day"),
    Limit("input_tokens_per_minute", "input", "minute"),
    Limit("input_tokens_per_day", "input", "day"),
    Limit("thinking_tokens_per_minute", "thinking", "minute"),
    Limit("thinking_tokens_per_day", "thinking", "day"),
    Limit("answer_tokens_per_minute", "answer", "minute"),
    Limit("answer_tokens_per_day", "answer", "day"),
    Limit("usd_per_day", "usd", "day"),
    Limit("usd_per_month", "usd", "month"),
    Limit("usd_total", "usd", "total"),
)


class Period(NamedTuple):
    """A day, a month or all time."""

    name: str
    begins: dt.datetime | None
    ends: dt.datetime | None

    @property
    def expires_ms(self) -> int:
        """When the counter expires, in Unix milliseconds; 0: never."""
        if self.ends is None:
            return 0
        return int((self.ends + dt.timedelta(days=_KEPT_DAYS)).timestamp() * 1000)


_ALWAYS = Period("", None, None)


def period(window: Window, now: dt.datetime) -> Period:
    """Returns the day or month of `now`; all time for the other windows, as a minute's counter refills steadily."""
    if window == "day":
        begins = dt.datetime(now.year, now.month, now.day, tzinfo=dt.UTC)
        return Period(f"{begins:%Y-%m-%d}", begins, begins + dt.timedelta(days=1))
    if window == "month":
        begins = dt.datetime(now.year, now.month, 1, tzinfo=dt.UTC)
        later = begins + dt.timedelta(days=31)
        return Period(f"{begins:%Y-%m}", begins, dt.datetime(later.year, later.month, 1, tzinfo=dt.UTC))
    return _ALWAYS
