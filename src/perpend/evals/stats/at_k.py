"""Accuracy with k samples of one problem, estimated from n ≥ k: the expectation over all subsets of k, for four ways
to use them (any right one, a majority vote, a weighted vote, the best by reward).

An answer is a *class*: a number that equal answers share, or None where nothing was answered, which has no vote.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from itertools import combinations

_SUBSETS = 500
"""Subsets that a weighted vote is computed for, at most."""


def pass_at(n: int, right: int, k: int) -> float:
    """pass@k: the probability that at least one of k is right, by the unbiased estimator of Chen et al. 2021
    (arXiv:2107.03374). Raises ZeroDivisionError where k is larger than n.
    """
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def majority_at(classes: Sequence[Hashable | None], correct: Sequence[bool], k: int) -> float:
    """maj@k: the exact probability that the most frequent answer of k is right (self-consistency, Wang et al. 2022,
    arXiv:2203.11171).

    Ties are split evenly; a subset without votes is wrong. A class counts by the share of its samples that are right.
    """
    votes = Counter(answer_class for answer_class in classes if answer_class is not None)
    rights = Counter(
        answer_class
        for answer_class, right in zip(classes, correct, strict=True)
        if answer_class is not None and right
    )
    abstentions = len(classes) - votes.total()
    counted = [(count, rights[answer_class]) for answer_class, count in votes.items()]
    most_votes = max(votes.values(), default=0)
    return math.fsum(
        _win_probability(top, counted, abstentions, k) for top in range(1, min(k, most_votes) + 1)
    )


def _win_probability(top: int, classes: list[tuple[int, int]], abstentions: int, k: int) -> float:
    """The probability that the leading classes of k have `top` votes each, and that a random one of them is right.

    Class by class: states are (votes so far, classes in the lead) with the number of subsets, and that number times
    the sum of right votes among the leaders.
    """
    states = {(taken, 0): (math.comb(abstentions, taken), 0) for taken in range(min(abstentions, k) + 1)}
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
    subsets = math.comb(abstentions + sum(count for count, _ in classes), k)
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
    """weighted@k: the probability that the answer with the largest sum of weights among k is right (Li et al. 2022,
    arXiv:2206.02336).

    Ties and missing answers count as in `majority_at`. Weights should be positive, such as probabilities. It's computed
    over all subsets where there are at most 500, else over 500 that `seed` draws.
    """
    n = len(classes)
    exhaustive = math.comb(n, k) <= _SUBSETS
    rng = random.Random(seed)
    subsets = combinations(range(n), k) if exhaustive else (rng.sample(range(n), k) for _ in range(_SUBSETS))
    shares = [_weighted_vote(classes, correct, weights, subset) for subset in subsets]
    return math.fsum(shares) / len(shares)


def _weighted_vote(
    classes: Sequence[Hashable | None],
    correct: Sequence[bool],
    weights: Sequence[float],
    subset: Sequence[int],
) -> float:
    sums: dict[Hashable, float] = defaultdict(float)
    members: dict[Hashable, list[bool]] = defaultdict(list)
    for index in subset:
        answer_class = classes[index]
        if answer_class is not None:
            sums[answer_class] += weights[index]
            members[answer_class].append(correct[index])
    if not sums:
        return 0.0
    top = max(sums.values())
    leaders = [
        members[answer_class]
        for answer_class, total in sums.items()
        if math.isclose(total, top, rel_tol=1e-12)
    ]
    return math.fsum(sum(votes) / len(votes) for votes in leaders) / len(leaders)


def best_at(correct: Sequence[bool], rewards: Sequence[float], k: int) -> float:
    """best@k: the exact probability that the one of k with the highest reward is right (Cobbe et al. 2021,
    arXiv:2110.14168). Ties are split evenly.
    """
    n = len(correct)
    groups: dict[float, list[bool]] = defaultdict(list)
    for right, reward in zip(correct, rewards, strict=True):
        groups[reward].append(right)
    below, wins = 0, 0.0
    for reward in sorted(groups):
        group = groups[reward]
        through = below + len(group)
        wins += (math.comb(through, k) - math.comb(below, k)) * sum(group) / len(group)
        below = through
    return wins / math.comb(n, k)
