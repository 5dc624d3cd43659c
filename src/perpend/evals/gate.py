"""A regression, or not: what a paired difference says about an accepted drop."""

from typing import Literal

from perpend.statistics import Estimate

Verdict = Literal["not worse", "worse", "too few problems to tell"]


def judged(difference: Estimate, max_drop: float) -> Verdict:
    """`not worse`: the whole interval is above the accepted drop; `worse`: it's below zero, and the drop too large."""
    if difference.low >= -max_drop:
        return "not worse"
    if difference.high < 0 and difference.estimate < -max_drop:
        return "worse"
    return "too few problems to tell"
