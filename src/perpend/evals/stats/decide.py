"""Recommend a setting: the cheapest one that isn't significantly worse than the best."""

from collections.abc import Sequence

from msgspec import Struct

from perpend.evals.reports.report import Difference, Reported, differences
from perpend.evals.stats.compare import Comparison, compare


class Decision(Struct, frozen=True, kw_only=True):
    best: str
    """The setting with the highest accuracy."""
    recommended: str | None
    """None where no setting answered anything right."""
    against_best: Comparison | None
    """Compares the recommended setting with the best; None where they are the same."""
    reason: str
    hurt: list[Difference]
    """Problems on which the least thinking did better than the most."""


def choose(runs: Sequence[Reported], ends: Sequence[tuple[Reported, Reported]]) -> Decision:
    """Decide from runs of several settings over the same problems.

    `ends`: pairs of runs that differ in thinking alone, the least and the most. Raises BadRequest where runs share no
    problem.
    """
    harmed = [difference for least, most in ends for difference in hurt(least, most)]
    best = max(runs, key=lambda run: (run.accuracy.estimate, -run.output_tokens))
    if not best.accuracy.estimate:
        reason = "can't tell: none of them got anything right"
        return Decision(best=best.name, recommended=None, against_best=None, reason=reason, hurt=harmed)
    priced = all(run.summary.cost_usd is not None for run in runs)
    cheapest_first = sorted(runs, key=_cost_order if priced else _token_order)
    for run in cheapest_first:
        if run is best:
            break
        comparison = compare(run.rows, {best.name: best.rows})[0]
        if comparison.difference.high >= 0:
            return Decision(
                best=best.name,
                recommended=run.name,
                against_best=comparison,
                reason=_equivalence(run, best, comparison),
                hurt=harmed,
            )
    return Decision(
        best=best.name,
        recommended=best.name,
        against_best=None,
        reason="everything cheaper is surely worse"
        if best is not cheapest_first[0]
        else "it's the cheapest too",
        hurt=harmed,
    )


def hurt(least: Reported, most: Reported) -> list[Difference]:
    """Problems on which the run with the least thinking did better than the one with the most."""
    return [
        difference for difference in differences(least, most) if difference.right[0] > difference.right[1]
    ]


def _cost_order(run: Reported) -> tuple[float, float]:
    """Order by dollars, then by output tokens."""
    return run.summary.cost_usd or 0.0, run.output_tokens


def _token_order(run: Reported) -> tuple[float, float]:
    return 0.0, run.output_tokens


def _equivalence(run: Reported, best: Reported, comparison: Comparison) -> str:
    difference = comparison.difference
    n, tokens = difference.n, best.output_tokens / max(run.output_tokens, 1)
    return (
        f"{best.name} is {-difference.estimate:.3f} better, which {n} questions can't tell from nothing "
        f"({-difference.high:+.3f} to {-difference.low:+.3f}), for {tokens:.1f} times the tokens"
    )
