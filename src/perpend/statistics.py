"""Estimates with their intervals, and tests of paired differences: plain Python, seeded where anything is drawn.

Every interval is a 95 % one. What varies independently is the *problem*: samples of one problem are one unit.
"""

import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from statistics import NormalDist, fmean

from msgspec import Struct

_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf(0.975)
_RESAMPLES = 1000
_FLIPS = 10_000
"""Random sign flips, where enumerating all of them would take more."""
_EXACT = 20_000


class Estimate(Struct, frozen=True):
    """Infinite, which is null in JSON, where nothing bounds it."""

    estimate: float
    low: float
    high: float
    n: int
    """Independent units: problems, not samples."""


class Proportion(Estimate, frozen=True):
    """Successes among `n` independent tries."""

    right: int


def proportion(right: int, n: int) -> Proportion:
    """With the interval of Wilson (1927). `n` is at least 1."""
    low, high = _wilson(right / n, n)
    return Proportion(right / n, low, high, n, right)


def share(values: Sequence[float], samples: int | None = None) -> Estimate:
    """The mean of one value in [0, 1] for each problem, with the interval of Wilson at the effective sample size.

    That is the size at which independent tries would vary as much as the problems do, at most `samples`, the number
    of all of them (Dean & Pagano 2015, "Evaluating confidence interval methods for binomial proportions in clustered
    surveys"). With one sample of each problem it's the interval of Wilson itself, and unlike a bootstrap's it has
    width where all problems agree.
    """
    n, p = len(values), min(1.0, fmean(values))  # a sum of fractions may end a bit above
    variance = math.fsum((value - p) ** 2 for value in values) / n
    independent = p * (1 - p)
    size = n if independent < 1e-12 else n * independent / max(variance, 1e-12)
    low, high = _wilson(p, min(size, max(samples or n, n)))
    return Estimate(p, low, high, n)


def difference(one: Estimate, other: Estimate, correlation: float = 0.0) -> Estimate:
    """One share less another, with the interval of Newcombe (1998, "Interval estimation for the difference between
    independent proportions", method 10) from both shares' own: it has width where all agree.

    `correlation`: of shares of the same units. `n` is that of the smaller group.
    """
    apart = one.estimate - other.estimate
    below = _apart(one.estimate - one.low, other.high - other.estimate, correlation)
    above = _apart(one.high - one.estimate, other.estimate - other.low, correlation)
    return Estimate(apart, apart - below, apart + above, min(one.n, other.n))


def paired_difference(pairs: Sequence[tuple[float, float]], samples: int | None = None) -> Estimate:
    """How much larger the first of a unit's two values in [0, 1] is than its second, such as whether each is right.

    With the interval of Newcombe (1998, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", method 10), for shares of several samples too: `samples` is the number of all of them.
    """
    n = len(pairs)
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    mean, other_mean = fmean(ones), fmean(others)
    together = math.fsum((one - mean) * (other - other_mean) for one, other in pairs) / n
    if together > 0:
        together = max(0.0, together - 1 / (2 * n))  # his correction for continuity
    spread = math.sqrt(
        math.fsum((one - mean) ** 2 for one in ones)
        * math.fsum((other - other_mean) ** 2 for other in others)
    )
    correlation = n * together / spread if spread else 0.0
    return difference(share(ones, samples), share(others, samples), correlation)


def _apart(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * correlation * one * other + other * other))


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean over problems: clustered by problem where each value is a mean over its samples."""
    n = len(values)
    if n < 2:
        return None
    middle = fmean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (n - 1) / n)


def ratio(above: Sequence[float], below: Sequence[float], *, seed: int = 0) -> Estimate:
    """One sum divided by another, both over problems, with a percentile bootstrap over problems.

    Such as dollars by right answers. A resample without anything below counts as infinite.
    """
    pairs = [complex(*pair) for pair in zip(above, below, strict=True)]  # both are summed in one pass
    n, rng = len(pairs), random.Random(seed)
    drawn = sorted(_divided(sum(rng.choices(pairs, k=n))) for _ in range(_RESAMPLES))
    low, high = drawn[int(_RESAMPLES * 0.025)], drawn[int(_RESAMPLES * 0.975)]
    return Estimate(_divided(sum(pairs)), low, high, n)


def quantile(ordered: Sequence[float], q: float) -> float:
    """Of sorted values, linear between the two that lie around it (Hyndman & Fan's type 7)."""
    place = (len(ordered) - 1) * q
    left = int(place)
    right = min(left + 1, len(ordered) - 1)
    return ordered[left] + (ordered[right] - ordered[left]) * (place - left)


def mcnemar(better: int, worse: int) -> float:
    """McNemar's test of paired wins and losses: exact two-sided p, from the binomial distribution."""
    n = better + worse
    tail = sum(math.comb(n, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / 2**n)


def sign_flip(differences: Sequence[float], *, seed: int = 0) -> float:
    """Two-sided p that paired differences, one for each problem, are as likely the other way round.

    Exact where there are few enough distinct outcomes; else by 10,000 seeded flips and the observed one.
    With differences of -1, 0 and 1 it's McNemar's exact test.
    """
    sizes = Counter(round(abs(value), 12) for value in differences if abs(value) > 1e-12)
    observed = abs(math.fsum(differences)) - 1e-9
    if math.prod(count + 1 for count in sizes.values()) <= _EXACT:
        return _all_flips(sizes, observed)
    rng = random.Random(seed)
    extreme = 0
    for _ in range(_FLIPS):
        flipped = sum(
            size * (2 * rng.getrandbits(count).bit_count() - count) for size, count in sizes.items()
        )
        extreme += abs(flipped) >= observed
    return (extreme + 1) / (_FLIPS + 1)


def _all_flips(sizes: Counter[float], observed: float) -> float:
    """By how many differences of each size stay positive."""
    extreme = 0
    for kept in itertools.product(*(range(count + 1) for count in sizes.values())):
        pairs = list(zip(sizes.items(), kept, strict=True))
        if abs(sum(size * (2 * k - count) for (size, count), k in pairs)) >= observed:
            extreme += math.prod(math.comb(count, k) for (_, count), k in pairs)
    return extreme / 2 ** sizes.total()


def holm(ps: Sequence[float]) -> list[float]:
    """The p values of a family of tests, adjusted so that the chance of any false finding stays (Holm 1979)."""
    adjusted = [0.0] * len(ps)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = largest
    return adjusted


def detectable(deviation: float, n: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true mean difference that a two-sided test finds with `power`.

    `deviation` is the standard deviation of one problem's difference, `n` the number of problems (Miller 2024,
    "Adding error bars to evals", section 5).
    """
    return (_NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)) * deviation / math.sqrt(n)


def _wilson(p: float, n: float) -> tuple[float, float]:
    z2 = _Z * _Z
    centre, spread = p + z2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (centre - spread) / (1 + z2 / n), (centre + spread) / (1 + z2 / n)
    return (low if p > 0 else 0.0), (high if p < 1 else 1.0)  # exact there, where rounding isn't


def _divided(sums: complex) -> float:
    return sums.real / sums.imag if sums.imag else math.inf
