"""The ledger's sums, to the last digit."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from costs import known
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_rows import NOON, ledger_row

from perpend.storage.keys import create_key
from perpend.storage.store import Store
from perpend.storage.usage import UsageRow, cut_short, last_used, total, usage

MAY_4, MAY_5 = dt.date(2026, 5, 4), dt.date(2026, 5, 5)


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "perpend.db") as store:
        key = create_key(store, "laptop")[1]
        store.writer.write_now(
            [
                ledger_row(key_id=key.id, model="big", cost_usd=Decimal("0.1")),
                ledger_row(key_id=key.id, model="big", cost_usd=Decimal("0.2"), status="failed"),
                ledger_row(key_id=key.id, model="small", cost_usd=Decimal("0.000000000001")),
                ledger_row(key_id="key_gone", model="big", created_at=NOON + dt.timedelta(days=1)),
                ledger_row(model="big", cost_usd=Decimal(0), created_at=NOON + dt.timedelta(hours=11.9)),
            ]
        )
        yield store


def test_by_key_model_and_day(store: Store) -> None:
    rows = usage(store)
    assert [(row.key, row.model, row.day, row.requests, row.cost_usd) for row in rows] == [
        (None, "big", MAY_4, 1, Decimal(0)),
        ("key_gone", "big", MAY_5, 1, Decimal("0.0000123")),
        ("laptop", "big", MAY_4, 2, Decimal("0.3")),
        ("laptop", "small", MAY_4, 1, Decimal("0.000000000001")),
    ]
    assert (rows[2].input, rows[2].cached, rows[2].thinking, rows[2].answer) == (40, 10, 200, 20)


def test_by_one_of_them(store: Store) -> None:
    assert [(row.model, row.requests) for row in usage(store, ["model"])] == [("big", 4), ("small", 1)]
    assert [(row.day, row.requests) for row in usage(store, ["day"])] == [(MAY_4, 4), (MAY_5, 1)]
    assert [(row.key, row.model) for row in usage(store, ["key"])] == [
        (None, None),
        ("key_gone", None),
        ("laptop", None),
    ]


def test_since_a_day(store: Store) -> None:
    assert [row.requests for row in usage(store, ["day"], since=MAY_5)] == [1]
    assert usage(store, ["day"], since=dt.date(2026, 5, 6)) == []


def test_of_one_key(store: Store) -> None:
    (row,) = usage(store, (), key_id="key_gone")
    assert (row.requests, row.cost_usd) == (1, Decimal("0.0000123"))


def test_what_was_cut_short_is_counted_by_why(store: Store) -> None:
    store.writer.write_now(
        [
            ledger_row(key_id="key_1", truncated=True, stop_reason="deadline"),
            ledger_row(key_id="key_1", truncated=True, stop_reason="deadline"),
            ledger_row(key_id="key_1", status="cancelled", stop_reason="cancelled"),
            ledger_row(key_id="key_1", status="failed", stop_reason=None, error_code="upstream_error"),
            ledger_row(key_id="key_1"),
        ]
    )
    assert cut_short(store, "key_1") == {"cancelled": 1, "deadline": 2, "upstream_error": 1}
    assert cut_short(store, "key_gone") == {}


def test_an_empty_ledger(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty.db") as store:
        assert usage(store) == []
        assert total([]) == UsageRow()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 10**12).map(lambda pico: Decimal(pico).scaleb(-12)), max_size=30))
def test_costs_are_summed_exactly(tmp_path_factory: pytest.TempPathFactory, costs: list[Decimal]) -> None:
    with Store.open(tmp_path_factory.mktemp("usage") / "perpend.db") as store:
        store.writer.write_now([ledger_row(cost_usd=cost) for cost in costs])
        summed = total(usage(store))
        assert Fraction(known(summed.cost_usd)) == sum(map(Fraction, costs))
        assert summed.requests == len(costs)
        assert summed.thinking == 100 * len(costs)


def test_when_keys_were_last_used(store: Store) -> None:
    used = {key_id: at for key_id, at in last_used(store).items() if key_id == "key_gone"}
    assert used == {"key_gone": NOON + dt.timedelta(days=1)}
    assert None not in last_used(store)
