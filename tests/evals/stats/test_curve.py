"""Planted curves: each regime is found where it is, and not where noise looks like it."""

import random

import pytest

from perpend.evals.runs.rows import SampleRow
from perpend.evals.stats.curve import CurveSummary, Regime, curve

BUDGETS = (0, 64, 128, 256, 512)


def planted(accuracies: tuple[float, ...], problems: int = 200, seed: int = 1) -> CurveSummary:
    """Problems are as hard at every budget: one is solved where it is easier than the accuracy, but for noise."""
    rng = random.Random(seed)
    rows: list[SampleRow] = []
    for problem in range(problems):
        difficulty = rng.random()
        for budget, accuracy in zip(BUDGETS, accuracies, strict=True):
            right = (difficulty + rng.gauss(0, 0.05)) < accuracy
            rows.append(
                SampleRow(problem=problem, correct=right, budget=budget, thinking_tokens=budget, cost_usd=0.1)
            )
    found = curve(rows)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("accuracies", "regime"),
    [
        ((0.1, 0.3, 0.5, 0.7, 0.9), "rising"),
        ((0.2, 0.5, 0.7, 0.7, 0.7), "knee"),
        ((0.5, 0.5, 0.5, 0.5, 0.5), "flat"),
        ((0.4, 0.7, 0.8, 0.6, 0.5), "falling"),
        ((0.8, 0.7, 0.6, 0.5, 0.4), "falling"),
    ],
)
def test_the_regimes(accuracies: tuple[float, ...], regime: Regime) -> None:
    assert planted(accuracies).regime == regime


def test_the_knee_is_where_the_gain_is_all_but_there() -> None:
    found = planted((0.2, 0.5, 0.8, 0.8, 0.8))
    assert found.knee == 128
    assert found.knee_low is not None
    assert found.knee_high is not None
    assert found.knee_low <= 128 <= found.knee_high


def test_noise_alone_is_called_flat() -> None:
    """40 problems whose answers don't depend on the budget: of 100 such curves few show anything else."""
    others = 0
    for seed in range(100):
        rng = random.Random(seed)
        rows = [
            SampleRow(problem=i, correct=rng.random() < 0.5, budget=b) for i in range(40) for b in BUDGETS
        ]
        found = curve(rows)
        others += found is not None and found.regime != "flat"
    assert others <= 10


def test_points_tell_what_was_used() -> None:
    points = planted((0.1, 0.3, 0.5, 0.7, 0.9)).points
    assert [point.budget for point in points] == list(BUDGETS)
    assert [point.thinking_tokens for point in points] == list(BUDGETS)
    assert points[0].cost_usd == pytest.approx(0.1)
    assert (points[0].p_first, points[-1].p_last) == (None, None)
    assert points[-1].p_first is not None
    assert points[-1].p_first < 0.001


def test_only_problems_that_were_tried_everywhere_count() -> None:
    rows = [SampleRow(problem=p, correct=True, budget=b) for p, b in (("a", 1), ("a", 2), ("b", 1))]
    found = curve(rows)
    assert found is not None
    assert [point.accuracy.n for point in found.points] == [1, 1]


def test_no_curve_without_two_budgets() -> None:
    assert curve([SampleRow(problem="a", correct=True, budget=1)]) is None
    assert curve([SampleRow(problem="a", correct=True), SampleRow(problem="a", correct=False)]) is None
    assert (
        curve(
            [SampleRow(problem="a", correct=True, budget=1), SampleRow(problem="b", correct=True, budget=2)]
        )
        is None
    )
