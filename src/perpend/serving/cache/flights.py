"""Single flight: of requests that ask the same at the same time, one is answered, and the others wait for it."""

import asyncio
from enum import Enum
from typing import TypeAlias

_MOST_FAILURES = 2
"""Of one flight; then each of those that wait tries by itself, as if there were no cache."""


class FlightRole(Enum):
    """What a request that found no answer does."""

    LEADS = "makes the answer for all who wait"
    ALONE = "makes its own"


Outcome: TypeAlias = FlightRole | bytes
"""Bytes: the answer, as it is kept."""


class Flight:
    __slots__ = ("failures", "waiting")

    def __init__(self) -> None:
        self.failures = 0
        self.waiting: dict[asyncio.Future[Outcome], None] = {}  # who came first is first


class Flights:
    """By key. Who leads says how it ended: `land`, or `pass_on`."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: bytes, until: float | None) -> Outcome:
        """Lead, or wait for who does; `until` is in the loop's seconds."""
        flight = self._flights.get(key)
        if flight is None:
            self._flights[key] = Flight()
            return FlightRole.LEADS
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        flight.waiting[waiter] = None
        try:
            async with asyncio.timeout_at(until):
                return await waiter
        except TimeoutError:
            return _told(waiter) or FlightRole.ALONE
        except BaseException:
            if _told(waiter) is FlightRole.LEADS:
                self.pass_on(key, failed=False)  # it was made to lead in the moment when it left
            raise
        finally:
            flight.waiting.pop(waiter, None)

    def land(self, key: bytes, value: bytes | None) -> None:
        """There is an answer; None: it isn't for others."""
        for waiter in self._flights.pop(key).waiting:
            if not waiter.done():
                waiter.set_result(FlightRole.ALONE if value is None else value)

    def pass_on(self, key: bytes, *, failed: bool) -> None:
        """Who leads has no answer: it `failed`, or went away. The next one leads."""
        flight = self._flights[key]
        flight.failures += failed
        if flight.failures < _MOST_FAILURES:
            for waiter in flight.waiting:
                if not waiter.done():
                    del flight.waiting[waiter]
                    waiter.set_result(FlightRole.LEADS)
                    return
        self.land(key, None)


def _told(waiter: asyncio.Future[Outcome]) -> Outcome | None:
    return waiter.result() if waiter.done() and not waiter.cancelled() else None
