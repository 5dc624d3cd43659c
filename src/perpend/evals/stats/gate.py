"""A regression, or not: what a paired difference says about an accepted drop; and bounds that a run has to keep."""

from typing import Literal

from msgspec import Struct

from perpend.evals.stats.summary import Summary
from perpend.statistics import Estimate

GateVerdict = Literal["not worse", "worse", "too few problems to tell"]


def gate_verdict(difference: Estimate, max_drop: float) -> GateVerdict:
    """`not worse`: the whole interval is above the accepted drop; `worse`: it's below zero, and the drop too large."""
    if difference.low >= -max_drop:
        return "not worse"
    if difference.high < 0 and difference.estimate < -max_drop:
        return "worse"
    return "too few problems to tell"


class GateBounds(Struct, frozen=True):
    """None: any."""

    min_accuracy: float | None = None
    max_seconds: float | None = None
    """Of 19 of 20 answers."""
    max_cost_each: float | None = None
    """US dollars, mean."""


def missed(found: Summary, bounds: GateBounds) -> list[str]:
    """Each bound that the run doesn't keep, with what it has. A figure that isn't known keeps none."""
    accuracy = found.at_k["pass@1"].estimate
    seconds = found.seconds["all"].p95 if "all" in found.seconds else None
    cost = None if found.cost_usd is None else found.cost_usd / found.samples
    misses: list[str] = []
    if bounds.min_accuracy is not None and accuracy < bounds.min_accuracy:
        misses.append(f"accuracy is {accuracy:.4f}, not {bounds.min_accuracy:g} or more")
    for what, value, most in (
        ("P95 of seconds", seconds, bounds.max_seconds),
        ("dollars of an answer", cost, bounds.max_cost_each),
    ):
        if most is not None and (value is None or value > most):
            misses.append(f"{what}: {'not known' if value is None else f'{value:.4g}'}, not {most:g} or less")
    return misses
