"""Counters hold under every order of takes and settles, between processes, and after one of them dies."""

import multiprocessing
import os
import signal
import time
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.errors import StorageError
from perpend.storage.counters import MOST_PROCESSES, CounterClaim, CounterTable

CAP = 1000


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_what_fits_is_held_and_what_was_used_stays(tmp_path: Path) -> None:
    with CounterTable.open(tmp_path) as table:
        claim = CounterClaim(table.counter("a"), limit=10, amount=7)
        assert table.take([claim]) is None
        refusal = table.take([claim])
        assert refusal is not None
        assert (refusal.left, refusal.held, refusal.wait_s) == (3, 7, None)
        assert table.settle([claim], [4]) == [4]
        assert (table.used(claim), table.left(claim)) == (4, 6)


def test_all_of_it_or_nothing(tmp_path: Path) -> None:
    with CounterTable.open(tmp_path) as table:
        wide, narrow = (
            CounterClaim(table.counter("wide"), 100, 5),
            CounterClaim(table.counter("narrow"), 4, 5),
        )
        refusal = table.take([wide, narrow])
        assert refusal is not None
        assert refusal.at == 1
        assert table.left(wide) == 100


def test_a_rate_drains_and_says_when_it_fits(tmp_path: Path) -> None:
    clock = Clock()
    with CounterTable.open(tmp_path, clock) as table:
        claim = CounterClaim(table.counter("a"), limit=60, amount=40, per_minute=True)
        assert table.take([claim]) is None
        refusal = table.take([claim])
        assert refusal is not None
        assert refusal.wait_s == 20
        clock.now += 20
        assert table.take([claim]) is None
        table.settle([claim], [0])
        assert table.used(claim) == 20


def test_looking_often_lets_a_rate_drain_as_fast(tmp_path: Path) -> None:
    clock = Clock()
    with CounterTable.open(tmp_path, clock) as table:
        claim = CounterClaim(table.counter("a"), limit=60, amount=60, per_minute=True)
        assert table.take([claim]) is None
        for _ in range(100):
            clock.now += 0.19
            table.left(claim)
        assert table.left(claim) == 19


def test_an_amount_above_a_rates_limit_takes_all_of_it(tmp_path: Path) -> None:
    with CounterTable.open(tmp_path, Clock()) as table:
        claim = CounterClaim(table.counter("a"), limit=60, amount=500, per_minute=True)
        assert table.take([claim]) is None
        assert table.left(claim) == 0
        table.settle([claim], [500])
        assert table.used(claim) == 500


def test_a_clock_that_goes_back_frees_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with CounterTable.open(tmp_path, clock) as table:
        claim = CounterClaim(table.counter("a"), limit=60, amount=60, per_minute=True)
        assert table.take([claim]) is None
        clock.now -= 3600
        assert table.left(claim) == 0
        clock.now += 60
        assert table.left(claim) == 60


def test_what_was_used_outlives_the_process(tmp_path: Path) -> None:
    with CounterTable.open(tmp_path) as table:
        claim = CounterClaim(table.counter("a"), CAP, 30)
        table.take([claim])
        table.settle([claim], [25])
        table.take([claim])
    with CounterTable.open(tmp_path) as table:
        assert table.left(CounterClaim(table.counter("a"), CAP, 0)) == CAP - 25


def test_an_expired_slot_is_given_to_another(tmp_path: Path) -> None:
    clock = Clock()
    with CounterTable.open(tmp_path, clock) as table:
        old = table.counter("day 1", expires_ms=int(clock.now * 1000) + 1000)
        table.raise_to(old, 9)
        clock.now += 10
        claim = CounterClaim(table.counter("day 1", expires_ms=int(clock.now * 1000) + 1000), CAP, 1)
        assert table.used(claim) == 9  # its own, until another wants the place


def test_too_many_processes_are_refused(tmp_path: Path) -> None:
    tables = [CounterTable.open(tmp_path) for _ in range(MOST_PROCESSES)]
    with pytest.raises(StorageError):
        CounterTable.open(tmp_path)
    for table in tables:
        table.close()


@given(
    steps=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.booleans()), max_size=40),
)
def test_no_order_of_takes_and_settles_passes_a_cap(
    steps: list[tuple[int, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whoever settles at most what was held never passes the cap, in two tables at once."""
    folder = tmp_path_factory.mktemp("counters")
    used = 0
    with CounterTable.open(folder) as first, CounterTable.open(folder) as second:
        under_way: list[tuple[CounterTable, CounterClaim]] = []
        for amount, spent, in_second in steps:
            table = second if in_second else first
            claim = CounterClaim(table.counter("cap"), CAP, amount)
            held = sum(other.amount for _, other in under_way)
            refusal = table.take([claim])
            assert (refusal is None) == (used + held + amount <= CAP)
            if refusal is None:
                under_way.append((table, claim))
            if spent % 3 and under_way:
                owner, ended = under_way.pop(0)
                actual = min(spent, ended.amount)
                owner.settle([ended], [actual])
                used += actual
            assert first.used(CounterClaim(first.counter("cap"), CAP, 0)) == used <= CAP
        for owner, ended in under_way:
            owner.settle([ended], [0])


def _spend(folder: Path, rounds: int, start: Barrier) -> None:
    with CounterTable.open(folder) as table:
        claim = CounterClaim(table.counter("cap"), CAP, 3)
        start.wait()
        for _ in range(rounds):
            if table.take([claim]) is None:
                table.settle([claim], [2])


def test_processes_at_once_spend_the_cap_and_not_a_unit_more(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    workers = [context.Process(target=_spend, args=(tmp_path, 300, start)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    with CounterTable.open(tmp_path) as table:
        used = table.used(CounterClaim(table.counter("cap"), CAP, 0))
    assert CAP - 3 < used <= CAP


def _hold_and_stay(folder: Path, held: Event) -> None:
    table = CounterTable.open(folder)
    table.take([CounterClaim(table.counter("cap"), CAP, CAP)])
    held.set()
    time.sleep(600)


def test_what_a_killed_process_held_comes_back(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    with CounterTable.open(tmp_path) as table:
        worker = context.Process(target=_hold_and_stay, args=(tmp_path, held))
        worker.start()
        assert held.wait(60)
        claim = CounterClaim(table.counter("cap"), CAP, 1)
        assert table.take([claim]) is not None
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(60)
        assert table.take([claim]) is None
        table.settle([claim], [1])
