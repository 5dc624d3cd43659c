"""Shedding goes by what was measured: from kept to the knee to off, never into the dip, and never by noise."""

import datetime
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perpend.accounting.curves import (
    Curve,
    CurvePoint,
    CurveSource,
    curve_of,
    curve_path,
    data_hash,
    install,
    installed,
    paired_loss,
    unmeasured_steps,
)
from perpend.errors import ConfigError
from perpend.types import Effort

LADDER: dict[Effort, int] = {
    "none": 0,
    "minimal": 256,
    "low": 1024,
    "medium": 4096,
    "high": 16_384,
    "max": 32_768,
}
SOURCE = CurveSource(
    suite="mine.jsonl",
    fingerprint="f",
    seeds=(0,),
    measured=datetime.datetime(2026, 11, 28, tzinfo=datetime.UTC).isoformat(),
    model_versions=("m-1",),
    runs=("a", "b"),
)


def curve(points: Sequence[CurvePoint], p50: int | None = 10, p90: int | None = 20) -> Curve:
    points = tuple(points)
    return Curve(
        model="m", source=SOURCE, points=points, natural_p50=p50, natural_p90=p90, data=data_hash(points)
    )


def planted(accuracies: dict[int, float], n: int = 400, *, seed: int = 1, noise: float = 0.05) -> Curve:
    """Problems are as hard at every budget: one is solved where it is easier than the accuracy, but for noise."""
    rng = random.Random(seed)
    hard = [rng.random() for _ in range(n)]
    return curve(
        [
            CurvePoint(budget=budget, right=tuple(int(one + rng.gauss(0, noise) < accuracy) for one in hard))
            for budget, accuracy in accuracies.items()
        ]
    )


U_SHAPED = {0: 0.93, 512: 0.57, 1024: 0.75, 2048: 0.94, 4096: 0.95}
RISING = {0: 0.1, 64: 0.4, 128: 0.8, 256: 0.81, 512: 0.81}


def test_from_kept_to_the_knee_to_off_and_never_into_the_dip() -> None:
    measured = planted(U_SHAPED)
    assert measured.steps(4096) == (4096, 2048, 0)
    assert measured.knee(4096) == 2048
    assert measured.dip == 1024


@pytest.mark.parametrize("thinking", [1, 100, 512, 1024])
def test_who_asked_for_a_budget_in_the_dip_goes_straight_to_off(thinking: int) -> None:
    assert planted(U_SHAPED).steps(thinking) == (thinking, 0)


def test_off_is_no_step_where_it_is_much_worse() -> None:
    measured = planted(RISING)
    assert measured.steps(512) == (512, 128)
    assert measured.steps(300) == (300, 128)
    assert measured.steps(128) == (128,)
    assert measured.steps(0) == (0,)


def test_off_is_no_step_where_nobody_measured_it() -> None:
    assert planted({256: 0.8, 512: 0.8}).steps(512) == (512, 256)


def test_a_falling_curve_lets_off_go_where_most_is_right() -> None:
    measured = planted({0: 0.2, 64: 0.8, 128: 0.7, 256: 0.5})
    assert measured.steps(256) == (256, 64)


def test_above_what_was_measured_nothing_is_lowered_where_thoughts_were_still_cut() -> None:
    measured = planted(RISING)
    assert measured.steps(100_000) == (100_000, 128), "hardly a thought is longer than what was measured"
    cut = replace(measured, natural_p50=400, natural_p90=None)
    assert cut.steps(100_000) == (100_000,)
    assert cut.steps(512) == (512, 128)


def test_a_budget_far_below_the_natural_length_is_in_the_dip_whatever_its_accuracy() -> None:
    flat = planted({0: 0.1, 100: 0.8, 500: 0.8, 5000: 0.8})
    assert flat.steps(5000) == (5000, 100)
    assert replace(flat, natural_p50=2000).dip == 279
    assert replace(flat, natural_p50=2000).steps(5000) == (5000, 500)
    assert replace(flat, natural_p50=None).dip == 699, "more than half are longer than the largest budget"
    assert replace(flat, natural_p50=None).steps(5000) == (5000,)


def test_few_problems_allow_no_step() -> None:
    assert planted(U_SHAPED, n=8).steps(4096) == (4096,)


def test_what_takes_no_fewer_tokens_is_no_step() -> None:
    measured = planted(U_SHAPED)
    took = {0: (0, 900), 512: (500, 400), 1024: (900, 200), 2048: (1100, 100), 4096: (1000, 100)}
    points = [
        replace(point, thinking_tokens=took[point.budget][0], answer_tokens=took[point.budget][1])
        for point in measured.points
    ]
    assert curve(points).steps(4096) == (4096, 0), "2048 takes more"
    assert curve(points).steps(512) == (512,), "off writes as much as it doesn't think"


def test_margins_are_the_operators() -> None:
    measured = planted(RISING)
    assert replace(measured, margin=0.5).steps(512) == (512, 64)
    assert replace(measured, off_margin=0.95).steps(512) == (512, 128, 0)


def test_noise_on_a_flat_curve_is_no_dip() -> None:
    """The tests' level is 5 % for a curve, of which half finds the other sign: 5 of 200 are expected."""
    flat: dict[int, float] = dict.fromkeys((0, 64, 128, 256, 512), 0.8)
    found = [planted(flat, n=80, seed=seed, noise=0.2).dip > 1 for seed in range(200)]
    assert sum(found) <= 10


def test_a_budget_that_loses_more_than_the_margin_is_hardly_ever_a_step() -> None:
    losing = {0: 0.1, 128: 0.74, 256: 0.8}
    found = [planted(losing, n=120, seed=seed, noise=0.2).knee(256) is not None for seed in range(200)]
    assert sum(found) <= 10


BUDGETS = (0, 16, 64, 256, 1024)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Any accuracies, of few problems or many, with one sample of each or several."""
    n, samples = draw(st.integers(1, 60)), draw(st.integers(1, 3))
    counts = st.lists(st.integers(0, samples), min_size=n, max_size=n)
    budgets = draw(st.lists(st.sampled_from(BUDGETS), min_size=2, unique=True).map(sorted))
    spread, tokens = draw(st.booleans()), st.integers(0, 300)
    base = draw(counts)
    return curve(
        [
            CurvePoint(
                budget=budget,
                right=tuple(draw(counts) if spread else base),
                samples=samples,
                thinking_tokens=draw(tokens) if budget else 0,
                answer_tokens=draw(tokens),
            )
            for budget in budgets
        ],
        draw(st.none() | st.integers(0, 400)),
        draw(st.none() | st.integers(0, 2000)),
    )


@given(curves(), st.integers(0, 5000))
def test_steps_begin_with_what_is_kept_and_descend_outside_of_the_dip(one: Curve, thinking: int) -> None:
    steps = one.steps(thinking)
    assert steps[0] == thinking
    assert list(steps) == sorted(set(steps), reverse=True)
    measured = {point.budget for point in one.points}
    assert all(step in measured and (step == 0 or step > one.dip) for step in steps[1:])
    assert len(steps) <= 3
    assert one.steps(thinking) == steps


@given(curves(), st.integers(1, 1024), st.integers(1, 1024))
def test_who_asks_for_less_is_never_left_with_more(one: Curve, a: int, b: int) -> None:
    less, more = sorted((a, b))
    assert min(filter(None, one.steps(less))) <= min(filter(None, one.steps(more)))


@given(curves(), st.integers(1, 1024))
def test_no_step_may_lose_more_than_its_margin(one: Curve, thinking: int) -> None:
    at = {point.budget: point for point in one.points}
    if thinking in at:
        kept = at[thinking]
        off_margin = one.off_margin * kept.accuracy.estimate
        for step in one.steps(thinking)[1:]:
            assert paired_loss(kept, at[step]).high <= (one.margin if step else off_margin)
            assert at[step].tokens < kept.tokens or not kept.thinking_tokens


@given(curves(), st.integers(1, 1024), st.integers(2, 5))
def test_more_problems_of_the_same_outcome_take_no_step_back(one: Curve, thinking: int, times: int) -> None:
    more = curve(
        [replace(point, right=point.right * times) for point in one.points], one.natural_p50, one.natural_p90
    )
    still = [step for step in one.steps(thinking) if step in (0, thinking) or step > more.dip]
    assert min(more.steps(thinking)) <= min(still)


# Where nobody measured.


@given(st.integers(0, 100_000), st.integers(0, 50_000), st.booleans())
def test_unmeasured_steps_descend_too(thinking: int, natural: int, can_stop: bool) -> None:
    steps = unmeasured_steps(thinking, LADDER, natural=natural, can_stop=can_stop)
    assert steps[0] == thinking
    assert list(steps) == sorted(set(steps), reverse=True)
    lowered = [step for step in steps[1:] if step]
    assert all(step >= max(thinking // 2, LADDER["medium"], natural) for step in lowered)
    assert can_stop or 0 not in steps[1:]


# Files.


def test_what_is_installed_is_read_again(tmp_path: Path) -> None:
    measured = planted(U_SHAPED)
    assert curve_of(tmp_path, "m") is None
    assert installed(tmp_path) == []
    path = install(tmp_path, measured)
    assert curve_of(tmp_path, "m") == measured
    assert installed(tmp_path) == [path]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"points": [', '"points": ', "can't be read"),
        ('"budget": 512', '"budget": 513', "their hash is another one"),
        ('"budget": 512', '"budget": 5120', "from little to much"),
        ('"samples": 1', '"samples": 0', "more samples are right"),
    ],
)
def test_a_broken_file_is_told_with_its_fix(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = install(tmp_path, planted(U_SHAPED))
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(ConfigError, match=said) as raised:
        curve_of(tmp_path, "m")
    assert raised.value.hint == "remove it, or measure again: perpend eval curve RUN… --install"
    assert curve_path(tmp_path, "m") == path


@pytest.mark.parametrize(
    "points",
    [
        [CurvePoint(budget=0, right=(1,))],
        [CurvePoint(budget=0, right=()), CurvePoint(budget=8, right=())],
        [CurvePoint(budget=0, right=(1,)), CurvePoint(budget=8, right=(1, 0))],
        [CurvePoint(budget=8, right=(1,)), CurvePoint(budget=8, right=(1,))],
    ],
)
def test_points_are_of_the_same_problems_at_rising_budgets(points: list[CurvePoint]) -> None:
    with pytest.raises(ValueError, match="points aren't"):
        curve(points)
