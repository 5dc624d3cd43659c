"""The circuit breaker: when it opens, whom it lets through, and how it closes again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.deployments.breaker import Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def broken(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(5):
        assert breaker.let_through()
        breaker.failed()
    return breaker


def test_five_failures_in_a_row_open_it(clock: Clock) -> None:
    breaker = broken(clock)
    assert breaker.state == "open"
    assert not breaker.let_through()
    assert 4 <= breaker.wait_s <= 6


def test_a_share_of_failures_opens_it_though_some_calls_succeed(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(10):
        breaker.succeeded()
        breaker.failed()
    assert breaker.state == "open"


def test_single_failures_among_successes_are_borne(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(50):
        breaker.failed()
        breaker.succeeded()
        breaker.succeeded()
    assert breaker.state == "closed"


def test_one_probe_goes_through_and_closes_it(clock: Clock) -> None:
    breaker = broken(clock)
    clock.now += 7
    assert breaker.state == "half_open"
    assert breaker.let_through()
    assert not breaker.let_through(), "one at a time"
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.let_through()


def test_a_probe_that_fails_opens_it_for_longer(clock: Clock) -> None:
    breaker = broken(clock)
    waits: list[float] = []
    for _ in range(6):
        clock.now += 100
        assert breaker.let_through()
        breaker.failed()
        waits.append(breaker.wait_s)
    assert waits[1] > waits[0]
    assert all(wait <= 72 for wait in waits)


def test_a_probe_whose_caller_went_away_leaves_room_for_another(clock: Clock) -> None:
    breaker = broken(clock)
    clock.now += 7
    assert breaker.let_through()
    breaker.abandoned()
    assert breaker.let_through()


@given(steps=st.lists(st.sampled_from(["ok", "fail", "gone", "wait"]), max_size=80))
def test_it_never_stays_shut_for_good(steps: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for step in steps:
        if step == "wait":
            clock.now += 3
        elif breaker.let_through():
            {"ok": breaker.succeeded, "fail": breaker.failed, "gone": breaker.abandoned}[step]()
    clock.now += 100
    assert breaker.let_through()
