"""What k of n samples are worth: every figure is the mean over all subsets of k, counted out here."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from statistics import fmean

import pytest

from perpend.evals.stats.at_k import best_at, majority_at, pass_at, weighted_at

Classes = Sequence[int | None]


def over_subsets(n: int, k: int, value: Callable[[Sequence[int]], float]) -> float:
    return fmean(value(subset) for subset in combinations(range(n), k))


def vote(classes: Classes, correct: Sequence[bool], weights: Sequence[float], subset: Sequence[int]) -> float:
    """One vote, said as plainly as it can be."""
    sums: dict[int, float] = defaultdict(float)
    for index in subset:
        one = classes[index]
        if one is not None:
            sums[one] += weights[index]
    if not sums:
        return 0.0
    leaders = [one for one, total in sums.items() if abs(total - max(sums.values())) < 1e-9]
    return fmean(fmean(correct[i] for i in subset if classes[i] == one) for one in leaders)


@pytest.mark.parametrize(("n", "right"), [(1, 0), (1, 1), (5, 2), (8, 7), (10, 0), (10, 10)])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(n: int, right: int) -> None:
    for k in range(1, n + 1):
        expected = over_subsets(n, k, lambda subset: min(subset) < right)
        assert pass_at(n, right, k) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(40))
def test_majorities_and_the_best_are_what_all_subsets_come_to(seed: int) -> None:
    """With ties, silence, and classes of which only some samples are right."""
    rng = random.Random(seed)
    n = rng.randint(1, 9)
    classes = [rng.choice([None, 0, 0, 1, 1, 2, 3]) for _ in range(n)]
    correct = [bool(one == 0 or (one == 1 and rng.random() < 0.5)) for one in classes]
    rewards = [rng.choice([0.1, 0.5, 0.5, 0.9]) for _ in range(n)]
    for k in range(1, n + 1):
        plain = over_subsets(n, k, lambda subset: vote(classes, correct, [1.0] * n, subset))
        assert majority_at(classes, correct, k) == pytest.approx(plain)
        weighted = over_subsets(n, k, lambda subset: vote(classes, correct, rewards, subset))
        assert weighted_at(classes, correct, rewards, k) == pytest.approx(weighted)

        def best(subset: Sequence[int]) -> float:
            top = max(rewards[i] for i in subset)
            return fmean(correct[i] for i in subset if rewards[i] == top)

        assert best_at(correct, rewards, k) == pytest.approx(over_subsets(n, k, best))


def test_ties_are_split() -> None:
    assert majority_at([0, 1], [True, False], 2) == pytest.approx(0.5)


def test_silence_votes_for_nothing() -> None:
    assert majority_at([0, None, None], [True, False, False], 3) == pytest.approx(1.0)
    assert majority_at([None, None], [False, False], 2) == 0.0


def test_equal_weights_are_a_majority_and_one_is_a_pass() -> None:
    classes, correct = [0, 0, 1, 2, 1, 0], [True, True, False, False, False, True]
    assert weighted_at(classes, correct, [1.0] * 6, 4) == pytest.approx(majority_at(classes, correct, 4))
    assert majority_at(classes, correct, 1) == pytest.approx(pass_at(6, 3, 1))


def test_many_subsets_are_drawn_by_seed() -> None:
    rng = random.Random(1)
    classes = [rng.randrange(4) for _ in range(40)]
    correct = [one == 0 for one in classes]
    drawn = weighted_at(classes, correct, [1.0] * 40, 16)
    assert drawn == pytest.approx(majority_at(classes, correct, 16), abs=0.06)
    assert drawn == weighted_at(classes, correct, [1.0] * 40, 16)


def test_subsets_beyond_any_float_are_counted() -> None:
    """Each of three answers as often: one in three. There are more subsets of 600 than a float can hold."""
    classes = [0] * 4 + [1] * 4 + [2] * 4 + [None] * 1188
    assert majority_at(classes, [one == 0 for one in classes], 600) == pytest.approx(1 / 3, abs=0.001)
