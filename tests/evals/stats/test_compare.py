"""Paired comparisons of runs on the same problems."""

import pytest

from perpend.errors import BadRequest
from perpend.evals.runs.rows import SampleRow
from perpend.evals.stats.compare import compare
from perpend.statistics import mcnemar


def run(right: str, cost: float | None = None) -> list[SampleRow]:
    """One sample of each problem: `1` is right."""
    return [SampleRow(problem=i, correct=one == "1", cost_usd=cost) for i, one in enumerate(right)]


def test_a_better_run() -> None:
    (found,) = compare(run("1111110101", 0.3), {"old": run("0000001101", 0.1)})
    assert (found.baseline, found.better, found.worse) == ("old", 6, 1)
    assert found.difference.estimate == pytest.approx(0.5)
    assert found.difference.low < 0.5 < found.difference.high
    assert found.p == found.p_mcnemar == pytest.approx(mcnemar(6, 1))
    assert found.cost_usd == pytest.approx(0.2)
    assert found.thinking_tokens is None


def test_several_baselines_are_adjusted_for() -> None:
    first, second = compare(run("1111111111"), {"a": run("0000000011"), "b": run("0000001111")})
    assert (first.p, second.p) == pytest.approx((2 / 2**8, 2 / 2**6))
    assert (first.p_adjusted, second.p_adjusted) == pytest.approx((2 * 2 / 2**8, 2 / 2**6))


def test_samples_of_a_problem_are_one_unit() -> None:
    """Ten samples of two problems can't show more than two problems can."""
    good = [SampleRow(problem=p, correct=True) for p in "ab" for _ in range(10)]
    (found,) = compare(good, {"bad": [SampleRow(problem=p, correct=False) for p in "ab" for _ in range(10)]})
    assert found.p == pytest.approx(0.5)
    assert found.p_mcnemar is None


def test_only_shared_problems_count_and_there_must_be_some() -> None:
    (found,) = compare(run("11"), {"more": run("00000")})
    assert found.difference.n == 2
    with pytest.raises(BadRequest, match="none of the run's problems"):
        compare(run("1"), {"other": [SampleRow(problem="x", correct=True)]})
