"""What a model server says of its own load, at its `/metrics`: it is asked while calls begin, at most once a second."""

import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from perpend.deployments.concurrency_limit import ConcurrencyLimit
from perpend.errors import PerpendError
from perpend.providers.provider import LoadMetrics

_EVERY_S = 1.0
_AGAIN_S = 60.0
"""Seconds after which a server is asked again that has no such page."""


class ServerMetrics:
    def __init__(
        self,
        names: LoadMetrics,
        read: Callable[[], Awaitable[bytes]],
        run: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`read` gets the page, `run` runs it beside the call that begins."""
        self._names = names
        self._read = read
        self._run = run
        self._next = 0.0

    def look(self, limit: ConcurrencyLimit, in_flight: Callable[[], int], now: float) -> None:
        """Tell `limit` what the server says, where it wasn't asked just now."""
        if now >= self._next:
            self._next = now + _EVERY_S
            self._run(self._look(limit, in_flight, now))

    async def _look(self, limit: ConcurrencyLimit, in_flight: Callable[[], int], now: float) -> None:
        try:
            page = (await self._read()).decode(errors="replace")
        except PerpendError:
            self._next = now + _AGAIN_S
            return
        names = self._names
        running, waiting = values_of(page, names.running), values_of(page, names.waiting)
        if running and waiting:
            limit.told(
                in_flight(), sum(running), sum(waiting), max(values_of(page, names.kv_used), default=0.0)
            )
        else:
            self._next = now + _AGAIN_S


def values_of(page: str, name: str) -> list[float]:
    """Of all series of a metric: a server has one for each of its engines."""
    found = re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? ([\d.eE+-]+)", page, re.MULTILINE)
    return [float(value) for value in found]
