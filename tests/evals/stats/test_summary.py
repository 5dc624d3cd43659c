"""All statistics of a few samples, worked out by hand."""

import math

import pytest

from perpend.evals.runs.rows import SampleRow
from perpend.evals.stats.summary import Detectable, ladder, summary

ROWS = [
    SampleRow(
        problem="a", answer="1", correct=True, thinking_tokens=10, cost_usd=0.1, seconds=1, truncated=False
    ),
    SampleRow(
        problem="a", answer="1", correct=True, thinking_tokens=30, cost_usd=0.3, seconds=3, truncated=False
    ),
    SampleRow(
        problem="b", answer="2", correct=False, thinking_tokens=50, cost_usd=0.5, seconds=5, truncated=True
    ),
    SampleRow(
        problem="b", answer="3", correct=True, thinking_tokens=70, cost_usd=0.7, seconds=7, truncated=False
    ),
]


def test_at_k() -> None:
    at_k = {name: one.estimate for name, one in summary(ROWS).at_k.items()}
    assert at_k == pytest.approx({"pass@1": 0.75, "pass@2": 1.0, "maj@1": 0.75, "maj@2": 0.75})


def test_what_it_took() -> None:
    found = summary(ROWS)
    assert found.cost_usd == pytest.approx(1.6)
    assert found.cost_per_correct_usd is not None
    assert found.cost_per_correct_usd.estimate == pytest.approx(1.6 / 3)
    assert found.seconds_per_correct is not None
    assert found.seconds_per_correct.estimate == pytest.approx(16 / 3)
    assert found.truncated is not None
    assert found.truncated.estimate == pytest.approx(0.25)
    assert found.refused is None
    assert found.thinking_tokens["all"].mean == pytest.approx(40)
    assert (found.thinking_tokens["right"].n, found.thinking_tokens["wrong"].p50) == (3, 50)


def test_how_thoughts_about_the_same_problem_differ() -> None:
    found = summary(ROWS).thinking_again
    assert found is not None
    # 10 and 30 have the mean 20 and the deviation 14.14; 50 and 70 have 60 and 14.14
    assert found.deviation == pytest.approx((14.1421 / 20 + 14.1421 / 60) / 2, rel=1e-4)
    assert (found.problems, found.longest) == (2, pytest.approx((3 + 1.4) / 2))


def test_thoughts_that_came_once_or_never_dont_differ() -> None:
    assert summary(ROWS[:1]).thinking_again is None
    silent = [SampleRow(problem="a", correct=True, thinking_tokens=0) for _ in range(2)]
    assert summary(silent).thinking_again is None
    found = summary([*silent, SampleRow(problem="a", correct=True, thinking_tokens=9)]).thinking_again
    assert found is not None
    assert found.longest is None


def test_right_within_a_number_of_tokens() -> None:
    shares = {one.thinking_tokens: one.accuracy.estimate for one in summary(ROWS).within}
    assert shares == {8: 0.0, 16: 0.25, 32: 0.5, 64: 0.5, 128: 0.75}


def test_what_a_run_of_this_size_would_show() -> None:
    found = summary(ROWS).detectable
    # a's samples agree, b's don't: its mean has the variance 0.5 * 0.5 / (2 - 1)
    assert found.paired == pytest.approx((1.959964 + 0.841621) * math.sqrt(2 * 0.125) / math.sqrt(2))
    assert (
        summary(
            [SampleRow(problem="a", correct=True), SampleRow(problem="b", correct=False)]
        ).detectable.paired
        is None
    )


@pytest.mark.parametrize("correct", [True, False])
def test_answers_that_are_all_alike_cant_tell_what_would_show(correct: bool) -> None:
    rows = [SampleRow(problem=name, answer="1", correct=correct) for name in "aabbcc"]
    assert summary(rows).detectable == Detectable(None, None)


def test_a_field_that_some_rows_lack_is_left_out_and_named() -> None:
    found = summary([*ROWS, SampleRow(problem="b", answer="3", correct=True, thinking_tokens=1)])
    assert found.cost_per_correct_usd is None
    assert found.left_out == (
        "cost_usd: 1 of 5 rows lack it",
        "seconds: 1 of 5 rows lack it",
        "truncated: 1 of 5 rows lack it",
    )


def test_nothing_right_costs_without_bound() -> None:
    found = summary([SampleRow(problem="a", correct=False, cost_usd=1.0)])
    assert found.cost_per_correct_usd is not None
    assert found.cost_per_correct_usd.estimate == math.inf
    assert found.standard_error is None


def test_answers_may_be_classed_otherwise() -> None:
    rows = [
        SampleRow(problem="a", answer=text, correct=text != "3") for text in ("1/2", "0.5", "3", "3", ".5")
    ]
    assert summary(rows).at_k["maj@5"].estimate == 0.0
    assert summary(rows, {"a": [0, 0, 1, 1, 0]}).at_k["maj@5"].estimate == 1.0


def test_without_answers_there_are_no_votes() -> None:
    assert list(summary([SampleRow(problem="a", correct=True)]).at_k) == ["pass@1"]


def test_the_ladder_ends_with_what_every_problem_has() -> None:
    assert [ladder(k) for k in (1, 2, 8, 50)] == [[1], [1, 2], [1, 2, 4, 8], [1, 2, 4, 8, 16, 32, 50]]
