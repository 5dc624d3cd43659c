"""What was measured becomes efforts for budgets, and room for efforts."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.accounting.calibration import (
    Calibration,
    CalibrationPoint,
    calibration_of,
    calibration_path,
    effort_for,
    quantile,
    room_for,
    save,
)
from perpend.errors import ConfigError
from perpend.types import EFFORTS, Effort

LADDER: dict[Effort, int] = {
    "none": 0,
    "minimal": 256,
    "low": 1024,
    "medium": 4096,
    "high": 16384,
    "max": 32768,
}
USUAL: dict[Effort, int] = {"low": 400, "medium": 1900, "high": 9000}


def calibration(*points: CalibrationPoint) -> Calibration:
    when = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
    return Calibration(model="o3-mini", family="o3-mini", measured=when, prompts=3, points=points)


@pytest.mark.parametrize(
    ("tokens", "effort"),
    [(0, "none"), (1, "low"), (399, "low"), (400, "low"), (1899, "low"), (1900, "medium"), (10**6, "high")],
)
def test_a_budget_becomes_the_effort_that_usually_keeps_to_it(tokens: int, effort: Effort) -> None:
    assert effort_for(tokens, USUAL) == effort


def test_none_is_never_chosen_for_a_budget() -> None:
    assert effort_for(1, {"none": 0, "high": 500}) == "high"


@given(
    st.dictionaries(st.sampled_from(EFFORTS[1:]), st.integers(1, 10**5), min_size=1), st.integers(1, 10**5)
)
def test_more_budget_never_means_less_effort(usual: dict[Effort, int], tokens: int) -> None:
    rising = calibration(*[CalibrationPoint(effort=e, used=(n,)) for e, n in usual.items()]).usual
    less, more = effort_for(tokens, rising), effort_for(tokens + 1, rising)
    assert EFFORTS.index(less) <= EFFORTS.index(more)
    if any(rising[effort] <= tokens for effort in rising):
        assert rising[less] <= tokens


def test_a_point_sums_up_its_prompts() -> None:
    point = CalibrationPoint(effort="low", budget=100, used=(10, 20, 120, 40))
    assert (point.usual, point.nearly_all, point.overshoot) == (30, 120, 20)
    assert CalibrationPoint(used=(1, 2)).usual == 2, "rounded up"
    assert CalibrationPoint(effort="low", used=(500,)).overshoot == 0


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30), st.sampled_from([0.5, 0.9, 1.0]))
def test_a_quantile_bounds_its_share(counts: list[int], share: float) -> None:
    found = quantile(tuple(counts), share)
    assert sum(count <= found for count in counts) >= share * len(counts) - 1e-9
    assert found in counts


def test_a_higher_effort_that_took_less_counts_as_much() -> None:
    measured = calibration(
        CalibrationPoint(effort="low", used=(500,)), CalibrationPoint(effort="high", used=(400,))
    )
    assert measured.usual == {"low": 500, "high": 500}


def test_an_effort_has_room_for_nearly_all_thoughts_and_never_less_than_the_rows() -> None:
    measured = calibration(
        CalibrationPoint(effort="low", used=(5000,) * 9 + (9000,)),
        CalibrationPoint(effort="high", used=(10,)),
    )
    assert room_for(LADDER, measured) == {**LADDER, "low": 5000, "medium": 5000}
    assert room_for(LADDER, None) is LADDER


def test_it_is_kept_for_its_model(tmp_path: Path) -> None:
    measured = calibration(
        CalibrationPoint(effort="low", used=(1, 2), ended=2), CalibrationPoint(budget=8, used=(8,))
    )
    assert calibration_of(tmp_path, "o3-mini") is None
    save(tmp_path, measured)
    assert calibration_of(tmp_path, "o3-mini") == measured
    assert calibration_path(tmp_path, "lab/../x").parent == tmp_path / "calibration"


@pytest.mark.parametrize("damaged", [b"{", b'{"model": "\xff"}'])
def test_a_damaged_file_says_what_to_do(tmp_path: Path, damaged: bytes) -> None:
    save(tmp_path, calibration()).write_bytes(damaged)
    with pytest.raises(ConfigError) as refused:
        calibration_of(tmp_path, "o3-mini")
    assert "perpend calibrate o3-mini" in str(refused.value.hint)
