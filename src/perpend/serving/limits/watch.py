"""Counts refusals by limits, and alerts once about a limit that is nearly used up: in the log, and to a URL."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from perpend.errors import PerpendError
from perpend.serving.limits.meters import Meter, dollars

_log = logging.getLogger("perpend.limits")

Post = Callable[[bytes], Awaitable[None]]
"""Sends JSON to the configured URL. Raises PerpendError."""
_TRIES = 3
_BETWEEN_S = 5.0


class Alert(Struct, frozen=True):
    """The JSON of an alert."""

    kind: str
    """key, user or team"""
    name: str
    limit: str
    """Such as `usd_per_month`."""
    bound: float
    """In US dollars, tokens or requests, as `used` is."""
    used: float
    share: float
    """The share of the limit at which the alert is sent, from 0 to 1."""


class LimitCounts(Protocol):
    """Metrics of limits; `kind` is key, user or team, `limit` a limit's name."""

    def limit_refused(self, kind: str, limit: str) -> None: ...

    def limit_alerted(self, kind: str, limit: str) -> None: ...


class LimitWatch:
    def __init__(self, share: float, counts: LimitCounts, post: Post | None = None) -> None:
        """`share`: of a limit, from 0 to 1, at which an alert is sent. `post` sends it; None: only logged."""
        self._share = share
        self._counts = counts
        self._post = post
        self._tasks: set[asyncio.Task[None]] = set()

    def refused(self, meter: Meter) -> None:
        """Counts a request that this meter refused."""
        self._counts.limit_refused(meter.subject.kind, meter.limit.field)

    def used(self, meters: Sequence[Meter], amounts: Sequence[int], after: Sequence[int]) -> None:
        """Alerts where a request's `amounts` made a meter's total use, `after`, reach the share."""
        for meter, amount, used in zip(meters, amounts, after, strict=True):
            at = self._share * meter.bound
            if amount and used - amount < at <= used and meter.limit.window not in ("minute", "now"):
                self._tell(meter, used)

    def _tell(self, meter: Meter, used: int) -> None:
        limit, subject = meter.limit, meter.subject
        money = limit.resource == "usd"
        bound, now = (float(dollars(meter.bound)), float(dollars(used))) if money else (meter.bound, used)
        alert = Alert(subject.kind, subject.name, limit.field, bound, now, self._share)
        self._counts.limit_alerted(subject.kind, limit.field)
        _log.warning(
            "the %s %s has used %.6g of %s = %.6g",
            alert.kind,
            alert.name,
            alert.used,
            alert.limit,
            alert.bound,
        )
        if self._post is not None:
            task = asyncio.get_running_loop().create_task(self._deliver(self._post, alert))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, post: Post, alert: Alert) -> None:
        for left in reversed(range(_TRIES)):
            try:
                await post(msgspec.json.encode(alert))
                break
            except PerpendError as error:
                if not left:
                    _log.error("an alert could not be sent: %s", error.logged)
                    break
            await asyncio.sleep(_BETWEEN_S)

    async def aclose(self) -> None:
        """Cancels alerts under way, which are in the log."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
