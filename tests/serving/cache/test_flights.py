"""Of those that ask the same, one makes the answer; whoever leaves, none of the others waits for nobody."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import fake_clock
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.serving.cache.flights import FlightRole, Flights, Outcome

KEY = b"k"


async def joined(flights: Flights, count: int) -> list[asyncio.Task[Outcome]]:
    """So many that wait, in their order."""
    waiting: list[asyncio.Task[Outcome]] = []
    for _ in range(count):
        waiting.append(asyncio.create_task(flights.join(KEY, None)))
        await asyncio.sleep(0)
    return waiting


async def test_the_first_leads_and_the_others_are_told() -> None:
    flights = Flights()
    assert await flights.join(KEY, None) is FlightRole.LEADS
    waiting = await joined(flights, 3)
    flights.land(KEY, b"answer")
    assert await asyncio.gather(*waiting) == [b"answer"] * 3
    assert not len(flights)


async def test_an_answer_that_isnt_for_others_lets_them_all_go_at_once() -> None:
    flights = Flights()
    await flights.join(KEY, None)
    waiting = await joined(flights, 3)
    flights.land(KEY, None)
    assert await asyncio.gather(*waiting) == [FlightRole.ALONE] * 3


async def test_where_the_one_that_leads_goes_away_the_next_one_leads() -> None:
    flights = Flights()
    await flights.join(KEY, None)
    first, second = await joined(flights, 2)
    for _ in range(5):  # however often
        flights.pass_on(KEY, failed=False)
        assert await first is FlightRole.LEADS
        first, (second,) = second, await joined(flights, 1)
    flights.land(KEY, b"answer")
    assert await asyncio.gather(first, second) == [b"answer"] * 2


async def test_where_two_fail_the_others_try_by_themselves() -> None:
    flights = Flights()
    await flights.join(KEY, None)
    first, *others = await joined(flights, 4)
    flights.pass_on(KEY, failed=True)
    assert await first is FlightRole.LEADS
    assert not any(other.done() for other in others)
    flights.pass_on(KEY, failed=True)
    assert await asyncio.gather(*others) == [FlightRole.ALONE] * 3
    assert not len(flights)


@pytest.mark.parametrize("ticks", [0, 1, 2])
async def test_one_that_leaves_in_the_moment_when_it_is_to_lead_passes_that_on(ticks: int) -> None:
    flights = Flights()
    await flights.join(KEY, None)
    first, second = await joined(flights, 2)
    flights.pass_on(KEY, failed=False)
    first.cancel()
    for _ in range(ticks):
        await asyncio.sleep(0)
    assert await second is FlightRole.LEADS
    assert await asyncio.gather(first, return_exceptions=True) != [FlightRole.LEADS]


def timed(main: Coroutine[Any, Any, None]) -> None:
    fake_clock.run(main)


def test_nobody_waits_beyond_its_own_time() -> None:
    async def main() -> None:
        flights, now = Flights(), asyncio.get_running_loop().time
        await flights.join(KEY, None)
        longer = asyncio.create_task(flights.join(KEY, 30.0))
        assert await flights.join(KEY, 10.0) is FlightRole.ALONE
        assert now() == 10.0
        flights.land(KEY, b"answer")
        assert await longer == b"answer"

    timed(main())


Step = st.sampled_from(["join", "cancel", "pass", "fail", "land", "none", "tick"])


@given(st.lists(st.tuples(Step, st.integers(0, 5)), max_size=40))
async def test_somebody_leads_or_nobody_waits(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order: at most one leads, and in the end everybody was told something."""
    flights = Flights()
    tasks: list[asyncio.Task[Outcome]] = []
    ended: set[asyncio.Task[Outcome]] = set()

    def leading() -> list[asyncio.Task[Outcome]]:
        told = [task for task in tasks if task.done() and not task.cancelled() and task not in ended]
        return [task for task in told if task.result() is FlightRole.LEADS]

    async def end(how: str) -> None:
        for task in leading():
            ended.add(task)
            if how in ("land", "none"):
                flights.land(KEY, b"answer" if how == "land" else None)
            else:
                flights.pass_on(KEY, failed=how == "fail")

    for step, which in steps:
        if step == "join":
            tasks.append(asyncio.create_task(flights.join(KEY, None)))
        elif step == "cancel" and tasks:
            tasks[which % len(tasks)].cancel()
        elif step == "tick":
            await asyncio.sleep(0)
        else:
            await end(step)
        assert len(leading()) <= 1
    while not all(task.done() for task in tasks) or leading():
        await end("pass")
        await asyncio.sleep(0)
    assert not len(flights)
