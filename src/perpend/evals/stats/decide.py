"""How much thinking one's own questions need: the cheapest setting that isn't surely worse than the best."""

from collections.abc import Sequence

from msgspec import Struct

from perpend.evals.reports.report import Difference, Reported, differences
from perpend.evals.stats.compare import Comparison, compare


class Decision(Struct, frozen=True, kw_only=True):
    best: str
    """The setting with the highest accuracy."""
    recommended: str | None
    """None: all were always wrong, which tells nothing of them."""
    against_best: Comparison | None
    """Of the recommended setting; None where it is the best itself."""
    reason: str
    hurt: list[Difference]
    """Problems that were right without thinking and wrong with the most of it."""


def choose(runs: Sequence[Reported], ends: Sequence[tuple[Reported, Reported]]) -> Decision:
    """`runs`: settings of one set of problems; `ends`: those that differ in thinking alone, the least and the most."""
    harmed = [one for least, most in ends for one in hurt(least, most)]
    best = max(runs, key=lambda run: (run.accuracy.estimate, -run.output_tokens))
    if not best.accuracy.estimate:
        reason = "can't tell: none of them got anything right"
        return Decision(best=best.name, recommended=None, against_best=None, reason=reason, hurt=harmed)
    priced = all(run.summary.cost_usd is not None for run in runs)
    cheapest_first = sorted(runs, key=_expense if priced else _tokens)
    for run in cheapest_first:
        if run is best:
            break
        against = compare(run.rows, {best.name: best.rows})[0]
        if against.difference.high >= 0:
            return Decision(
                best=best.name,
                recommended=run.name,
                against_best=against,
                reason=_same(run, best, against),
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
    return [one for one in differences(least, most) if one.right[0] > one.right[1]]


def _expense(run: Reported) -> tuple[float, float]:
    """Dollars, and tokens where those are the same."""
    return run.summary.cost_usd or 0.0, run.output_tokens


def _tokens(run: Reported) -> tuple[float, float]:
    return 0.0, run.output_tokens


def _same(run: Reported, best: Reported, against: Comparison) -> str:
    one = against.difference
    n, tokens = one.n, best.output_tokens / max(run.output_tokens, 1)
    return (
        f"{best.name} is {-one.estimate:.3f} better, which {n} questions can't tell from nothing "
        f"({-one.high:+.3f} to {-one.low:+.3f}), for {tokens:.1f} times the tokens"
    )
