"""How many calls a deployment takes is told by who waits for a first token, and by what servers say themselves."""

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.deployments.concurrency_limit import ConcurrencyLimit


def played(slots: int, offered: int, calls: int = 400, *, seed: int = 1, limit: ConcurrencyLimit) -> float:
    """So many slots, asked by `offered` clients at once, as far as the limit lets them; the clock at its end."""
    draw = random.Random(seed)
    now, ends, in_flight = 0.0, [0.0] * slots, 0
    events: list[tuple[float, int, str, float, int]] = []
    begun = number = 0
    while begun < calls or events:
        most = offered if limit.value is None else min(offered, max(1, int(limit.value)))
        while begun < calls and in_flight < most:
            begun, in_flight, number = begun + 1, in_flight + 1, number + 1
            starts = max(now, heapq.heappop(ends))
            took = draw.uniform(5, 15)
            heapq.heappush(ends, starts + took)
            heapq.heappush(events, (starts + 0.2, number, "first", now, in_flight))
            heapq.heappush(events, (starts + took, number, "end", now, in_flight))
        now, _, kind, started, beside = heapq.heappop(events)
        if kind == "first":
            limit.began(now - started, beside, started, now)
        else:
            in_flight -= 1
    return now


def test_nothing_is_held_back_before_anybody_was_seen_to_wait() -> None:
    limit = ConcurrencyLimit()
    played(slots=8, offered=8, limit=limit)
    assert limit.value is None


@pytest.mark.parametrize("slots", [1, 2, 8, 32])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_under_load_it_finds_how_many_a_server_takes(slots: int, seed: int) -> None:
    limit = ConcurrencyLimit()
    played(slots, offered=4 * slots + 4, seed=seed, limit=limit, calls=100 * slots)
    assert limit.value is not None
    assert slots * 0.6 <= limit.value <= slots * 1.6 + 1


def test_one_late_call_is_no_congestion() -> None:
    limit = ConcurrencyLimit()
    for number in range(50):
        limit.began(9.0 if number == 20 else 0.2, 4, float(number), number + 0.2)
    assert limit.value is None


def test_a_server_that_says_it_has_too_much_to_do_gets_less() -> None:
    limit = ConcurrencyLimit()
    for number in range(20):
        limit.began(0.2, 10, float(number), number + 0.2)
    limit.refused(1, 29.0, 30.0)
    assert limit.value is None, "so few can't be too many"
    limit.refused(9, 29.0, 30.0)
    limit.refused(8, 29.5, 30.5)
    assert limit.value == 9, "calls that were under way together count once"
    limit.refused(9, 30.5, 31.0)
    assert limit.value == pytest.approx(8.1)


def test_what_a_server_tells_of_itself_goes_before_guesses() -> None:
    limit = ConcurrencyLimit()
    limit.told(in_flight=20, running=12, waiting=0, kv_used=0.5)
    assert limit.value is None
    limit.told(in_flight=20, running=12, waiting=8, kv_used=0.7)
    assert limit.value == 12
    limit.told(in_flight=12, running=12, waiting=0, kv_used=0.7)
    assert limit.value == pytest.approx(14.2)
    limit.told(in_flight=13, running=13, waiting=0, kv_used=1.0)
    assert limit.value == pytest.approx(12.35)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("began"), st.floats(0.001, 1000), st.integers(1, 500)),
            st.tuples(st.just("refused"), st.just(0.0), st.integers(0, 500)),
            st.tuples(st.just("told"), st.floats(0, 1), st.integers(0, 500)),
        )
    )
)
def test_it_never_falls_below_one(events: list[tuple[str, float, int]]) -> None:
    limit = ConcurrencyLimit()
    for now, (kind, figure, in_flight) in enumerate(events, 1):
        if kind == "began":
            limit.began(figure, in_flight, now - 0.5, now)
        elif kind == "refused":
            limit.refused(in_flight, now - 0.5, now)
        else:
            limit.told(in_flight, in_flight, in_flight // 3, figure)
        assert limit.value is None or limit.value >= 1
