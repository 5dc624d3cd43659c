"""Decide whether a run regresses: a paired difference against an accepted drop, and bounds on the run's figures."""

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
    """Bounds on a run; None: no bound."""

    min_accuracy: float | None = None
    max_seconds: float | None = None
    """For the 95th percentile."""
    max_cost_each: float | None = None
    """US dollars of a sample, mean."""


def missed(found: Summary, bounds: GateBounds) -> list[str]:
    """A line for each bound that the run breaks. An unknown figure breaks its bound."""
    accuracy = found.at_k["pass@1"].estimate
    seconds = found.seconds["all"].p95 if "all" in found.seconds else None
    cost = None if found.cost_usd is None else found.cost_usd / found.samples
    misses: list[str] = []
    if bounds.min_accuracy is not None and accuracy < bounds.min_accuracy:
        misses.append(f"accuracy is {accuracy:.4f}, not {bounds.min_accuracy:g} or more")
    for figure, value, bound in (
        ("P95 of seconds", seconds, bounds.max_seconds),
        ("dollars of an answer", cost, bounds.max_cost_each),
    ):
        if bound is not None and (value is None or value > bound):
            misses.append(
                f"{figure}: {'not known' if value is None else f'{value:.4g}'}, not {bound:g} or less"
            )
    return misses
