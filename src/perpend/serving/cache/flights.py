"""Single flight: of identical requests at the same time one is run, and the others wait for its answer."""

import asyncio
from enum import Enum
from typing import TypeAlias

_MOST_FAILURES = 2
"""Failures of one flight after which every waiting request runs by itself, without the cache."""


class FlightRole(Enum):
    """What a request without a cached answer does next."""

    LEADS = "makes the answer for all who wait"
    ALONE = "makes its own"


Outcome: TypeAlias = FlightRole | bytes
"""A role, or the encoded answer."""


class Flight:
    """The requests that wait for one key's answer."""

    __slots__ = ("failures", "waiting")

    def __init__(self) -> None:
        self.failures = 0
        self.waiting: dict[asyncio.Future[Outcome], None] = {}  # in order of arrival


class Flights:
    """Flights by key. The request that leads one ends it with `land`, or hands it over with `pass_on`."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: bytes, until: float | None) -> Outcome:
        """Returns LEADS for the first request of a key; others wait for its outcome.

        `until`: when a waiting request gives up and runs alone, in the event loop's seconds; None: it never gives up.
        """
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
                self.pass_on(key, failed=False)  # it became the leader while it was being cancelled
            raise
        finally:
            flight.waiting.pop(waiter, None)

    def land(self, key: bytes, value: bytes | None) -> None:
        """Ends the flight and gives the answer to the waiting requests; None: each of them runs alone."""
        for waiter in self._flights.pop(key).waiting:
            if not waiter.done():
                waiter.set_result(FlightRole.ALONE if value is None else value)

    def pass_on(self, key: bytes, *, failed: bool) -> None:
        """Makes the next waiting request lead, since this one `failed` or was cancelled.

        Repeated failures end the flight.
        """
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
