"""What k samples of one problem are worth, estimated from n ≥ k: the expectation over all subsets of k, for four ways
to use them (any right one, a majority vote, a weighted vote, the best by reward).

An answer is a *class*: a number that equal answers share, None where nothing was answered, which votes for nothing.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from itertools import combinations

_SUBSETS = 500
"""Weighted votes that are taken at most."""


def pass_at(n: int, right: int, k: int) -> float:
    """pass@k: the probability that at least one of k is right, by the unbiased estimate of Chen et al. (2021,
    "Codex").
    """
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def majority_at(classes: Sequence[Hashable | None], correct: Sequence[bool], k: int) -> float:
    """maj@k: the probability that the most frequent answer of k is right, exactly.

    Ties are split evenly; no votes at all are wrong. A class is as right as the share of its samples that are.
    """
    votes = Counter(one for one in classes if one is not None)
    rights = Counter(one for one, right in zip(classes, correct, strict=True) if one is not None and right)
    silent = len(classes) - votes.total()
    counted = [(count, rights[one]) for one, count in votes.items()]
    most = max(votes.values(), default=0)
    return math.fsum(_won_with(top, counted, silent, k) for top in range(1, min(k, most) + 1))


def _won_with(top: int, classes: list[tuple[int, int]], silent: int, k: int) -> float:
    """That the leading classes of k have `top` votes each, and one of them, drawn, is right.

    Class by class: states are (votes so far, classes in the lead) with the number of subsets, and that number times
    the sum of right votes among the leaders.
    """
    states = {(taken, 0): (math.comb(silent, taken), 0) for taken in range(min(silent, k) + 1)}
    room = sum(min(count, top) for count, _ in classes)
    for count, right in classes:
        room -= min(count, top)
        following: dict[tuple[int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for (taken, leaders), (ways, rightly) in states.items():
            for more in range(max(0, k - taken - room), min(count, top, k - taken) + 1):
                leads = more == top
                choices = math.comb(count, more)
                gained = ways * right * math.comb(count - 1, more - 1) if leads else 0
                key = (taken + more, leaders + leads)
                known_ways, known_rightly = following[key]
                following[key] = known_ways + ways * choices, known_rightly + rightly * choices + gained
        states = following
    subsets = math.comb(silent + sum(count for count, _ in classes), k)
    return math.fsum(
        rightly / (top * leaders * subsets)
        for (taken, leaders), (_, rightly) in states.items()
        if taken == k and leaders
    )


def weighted_at(
    classes: Sequence[Hashable | None],
    correct: Sequence[bool],
    weights: Sequence[float],
    k: int,
    *,
    seed: int = 0,
) -> float:
    """weighted@k: the probability that the answer with the largest sum of weights among k is right.

    Ties and missing answers count as in `majority_at`.

    Weights are meant to be positive, such as probabilities. Over all subsets where there are at most 500, else over
    500 seeded ones.
    """
    n = len(classes)
    few = math.comb(n, k) <= _SUBSETS
    rng = random.Random(seed)
    subsets = combinations(range(n), k) if few else (rng.sample(range(n), k) for _ in range(_SUBSETS))
    won = [_weighed(classes, correct, weights, subset) for subset in subsets]
    return math.fsum(won) / len(won)


def _weighed(
    classes: Sequence[Hashable | None],
    correct: Sequence[bool],
    weights: Sequence[float],
    subset: Sequence[int],
) -> float:
    sums: dict[Hashable, float] = defaultdict(float)
    members: dict[Hashable, list[bool]] = defaultdict(list)
    for index in subset:
        one = classes[index]
        if one is not None:
            sums[one] += weights[index]
            members[one].append(correct[index])
    if not sums:
        return 0.0
    top = max(sums.values())
    leaders = [members[one] for one, total in sums.items() if math.isclose(total, top, rel_tol=1e-12)]
    return math.fsum(sum(one) / len(one) for one in leaders) / len(leaders)


def best_at(correct: Sequence[bool], rewards: Sequence[float], k: int) -> float:
    """best@k: the probability that the one of k with the highest reward is right, exactly. Ties are split evenly."""
    n = len(correct)
    groups: dict[float, list[bool]] = defaultdict(list)
    for right, reward in zip(correct, rewards, strict=True):
        groups[reward].append(right)
    below, won = 0, 0.0
    for reward in sorted(groups):
        group = groups[reward]
        upto = below + len(group)
        won += (math.comb(upto, k) - math.comb(below, k)) * sum(group) / len(group)
        below = upto
    return won / math.comb(n, k)
