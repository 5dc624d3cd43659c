"""Estimates and tests, against SciPy 1.17.1 and statsmodels 0.15.0, whose figures are written out here."""

import math
import random
from statistics import fmean

import pytest

from perpend.statistics import (
    detectable,
    difference,
    holm,
    mcnemar,
    paired_difference,
    proportion,
    quantile,
    ratio,
    share,
    sign_flip,
    standard_error,
)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.27753279986288926),
        (3, 10, 0.10779126740630104, 0.6032218525388546),
        (50, 100, 0.4038315303659956, 0.5961684696340044),
        (97, 100, 0.9154806357094724, 0.9897454759759611),
    ],
)
def test_a_proportion_has_the_interval_of_wilson(right: int, n: int, low: float, high: float) -> None:
    found = proportion(right, n)
    assert (found.right, found.n, found.estimate) == (right, n, right / n)
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("n", [1, 3, 7, 10, 101, 1000])
def test_none_or_all_reach_the_very_end(n: int) -> None:
    assert (proportion(0, n).low, proportion(n, n).high) == (0.0, 1.0)
    assert share([0.0] * n, samples=8 * n).low == 0.0


def test_a_share_with_one_sample_of_each_problem_is_a_proportion() -> None:
    of = share([1.0] * 3 + [0.0] * 7)
    assert (of.estimate, of.low, of.high) == pytest.approx(
        (0.3, proportion(3, 10).low, proportion(3, 10).high)
    )


def test_samples_that_all_agree_within_their_problem_say_no_more_than_one_each() -> None:
    of, one = share([1.0] * 3 + [0.0] * 7, samples=80), proportion(3, 10)
    assert (of.low, of.high) == pytest.approx((one.low, one.high))


def test_samples_that_don_t_depend_on_their_problem_count_each() -> None:
    assert share([0.5] * 10, samples=80).low == pytest.approx(proportion(40, 80).low)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_share_has_width_where_all_problems_agree(value: float) -> None:
    of = share([value] * 20, samples=160)
    assert of.high - of.low == pytest.approx(proportion(0, 20).high)


def test_the_interval_of_a_share_holds_what_it_should() -> None:
    """At 30 problems of 4 samples with accuracies around 0.9: the normal interval holds 0.91, this one 0.94."""
    rng, held = random.Random(5), 0
    for _ in range(600):
        easy = [rng.betavariate(9, 1) for _ in range(30)]
        of = share([fmean(rng.random() < p for _ in range(4)) for p in easy], samples=120)
        held += of.low <= 0.9 <= of.high
    assert held / 600 >= 0.93


def test_a_standard_error_is_clustered_by_problem() -> None:
    """As statsmodels' cluster-robust one of the mean, with its correction for five clusters."""
    means = [3 / 4, 1 / 4, 4 / 4, 2 / 4, 0 / 4]
    assert standard_error(means) == pytest.approx(0.1767767)
    assert standard_error([0.5]) is None


def test_quantiles_are_numpy_s() -> None:
    ordered = sorted([3.0, 1, 4, 1, 5, 9, 2, 6])
    assert [quantile(ordered, q) for q in (0.5, 0.95, 0.99)] == pytest.approx([3.5, 7.95, 8.79])
    assert quantile([2.0], 0.95) == 2.0


# fmt: off
ABOVE = [2.154, 2.131, 3.13, 1.065, 2.183, 1.704, 0.885, 1.119, 1.718, 0.847, 1.677, 3.958, 1.451, 1.958, 1.513, 0.604,
         5.939, 2.678, 0.316, 1.811, 0.931, 0.72, 1.793, 1.095, 3.102, 0.818, 1.1, 0.631, 1.641, 1.293, 2.044, 0.607,
         1.134, 2.852, 2.017, 1.311, 2.839, 3.111, 0.392, 1.155]
BELOW = [3, 3, 4, 1, 4, 4, 1, 0, 3, 4, 2, 0, 0, 1, 3, 1, 0, 3, 3, 0, 2, 1, 2, 0, 3, 1, 2, 2, 3, 0, 1, 3, 3, 1, 0, 3, 2,
         3, 0, 2]
# fmt: on


def test_a_ratio_is_bootstrapped_over_problems() -> None:
    """SciPy's percentile bootstrap with 20,000 resamples: 0.7085 to 1.2871."""
    of = ratio(ABOVE, BELOW)
    assert of.estimate == pytest.approx(0.9382, abs=1e-4)
    assert (of.low, of.high) == pytest.approx((0.7085, 1.2871), abs=0.03)
    assert of == ratio(ABOVE, BELOW)
    assert of != ratio(ABOVE, BELOW, seed=1)


def test_a_ratio_to_nothing_is_infinite() -> None:
    assert ratio([1.0, 2.0], [0.0, 0.0]).estimate == math.inf
    assert ratio([1.0, 2.0], [0.0, 1.0]).high == math.inf


@pytest.mark.parametrize(
    ("better", "worse", "p"),
    [(5, 1, 0.21875), (10, 3, 0.09228515625), (20, 22, 0.8776143287523154), (0, 7, 0.015625), (0, 0, 1.0)],
)
def test_mcnemar_is_exact_and_sign_flips_of_single_samples_are_mcnemar(
    better: int, worse: int, p: float
) -> None:
    assert mcnemar(better, worse) == pytest.approx(p)
    assert sign_flip([1.0] * better + [-1.0] * worse + [0.0] * 9) == pytest.approx(p)


def test_sign_flips_of_few_sizes_are_exact() -> None:
    """SciPy's permutation test over all 1024 flips."""
    assert sign_flip([0.25, -0.5, 0.75, 0.5, 0, 0.25, 1, -0.25, 0.5, 0.25]) == pytest.approx(0.12109375)


def test_sign_flips_of_many_sizes_are_drawn() -> None:
    rng = random.Random(3)
    differences = [rng.gauss(0.3, 1) for _ in range(60)]
    p = sign_flip(differences)
    z = fmean(differences) / (math.sqrt(fmean(d * d for d in differences) / 60))
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.02)
    assert p == sign_flip(differences)


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])
    assert holm([]) == []


def test_the_detectable_difference_is_what_power_analysis_says() -> None:
    assert detectable(0.6, 200) == pytest.approx(0.118861, abs=1e-6)


def test_a_difference_of_shares_of_different_units() -> None:
    """Newcombe (1998), table II, example (a): 56/70 less 48/80."""
    found = difference(proportion(56, 70), proportion(48, 80))
    assert (found.estimate, found.n) == (pytest.approx(0.2), 70)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


def test_a_paired_difference_has_width_where_all_agree() -> None:
    found = paired_difference([(True, False)] * 100)
    assert (found.estimate, found.high) == (1.0, pytest.approx(1.0))
    assert 0.9 < found.low < 0.97


def test_a_paired_difference_of_shares_is_narrower_the_more_samples_they_are_of() -> None:
    shares = [(1.0, 0.75), (0.5, 0.5), (0.75, 0.25), (0.25, 0.0)] * 10
    few, many = paired_difference(shares), paired_difference(shares, samples=160)
    assert few.estimate == many.estimate == 0.25
    assert few.low < many.low < 0.25 < many.high < few.high


def test_a_paired_difference_is_narrower_the_more_pairs_agree() -> None:
    apart = [(True, False)] * 10
    agreeing = paired_difference(apart + [(True, True)] * 20 + [(False, False)] * 20)
    scattered = paired_difference(apart + [(True, False)] * 20 + [(False, True)] * 20)
    assert agreeing.estimate == scattered.estimate == pytest.approx(0.2)
    assert agreeing.high - agreeing.low < scattered.high - scattered.low
    back = paired_difference([(False, True)] * 10 + [(True, True)] * 20 + [(False, False)] * 20)
    assert (back.low, back.high) == (pytest.approx(-agreeing.high), pytest.approx(-agreeing.low))


def test_a_paired_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = random.Random(7)
    held = 0
    for _ in range(1000):
        pairs = [
            (rng.random() < 0.3 + 0.4 * hard, rng.random() < 0.1 + 0.6 * hard) for hard in _hard(rng, 40)
        ]
        found = paired_difference(pairs)
        held += found.low <= 0.1 <= found.high
    assert 930 <= held <= 985


def _hard(rng: random.Random, n: int) -> list[bool]:
    return [rng.random() < 0.5 for _ in range(n)]
