"""Accuracy against the thinking budget: what each budget reaches, where the knee is, and which regime it is.

The rule, on the problems that were tried at every budget. The *best* budget is the smallest one of the highest
accuracy; a difference counts where a sign-flip test over problems has p < 0.05, adjusted by Holm for the number of
budgets.

- `falling`: the largest budget is worse than the best one: more thinking hurts.
- `flat`: the best budget is no better than the smallest one: thinking buys nothing that these problems can show.
- `knee`: 95 % of the whole gain, from the smallest to the best budget, is reached before the largest one. The knee is
  the smallest budget that reaches it.
- `rising`: it isn't: a larger budget may well buy more.
"""

import random
from collections.abc import Sequence
from statistics import fmean
from typing import Literal

from msgspec import Struct

from perpend.evals.runs.rows import SampleRow, accuracies, by_problem
from perpend.statistics import Estimate, holm, share, sign_flip

Regime = Literal["rising", "knee", "flat", "falling"]

_KEPT = 0.95
_ALPHA = 0.05
_RESAMPLES = 1000


class PointSummary(Struct, frozen=True, kw_only=True):
    budget: int
    accuracy: Estimate
    p_first: float | None
    """Against the smallest budget, adjusted; null for that one."""
    p_last: float | None
    """Against the largest budget, adjusted; null for that one."""
    thinking_tokens: float | None
    """Mean of what was used; null where some row doesn't say."""
    cost_usd: float | None
    """Mean of an answer."""


class CurveSummary(Struct, frozen=True, kw_only=True):
    regime: Regime
    knee: int | None
    """Thinking tokens; only in the regime `knee`."""
    knee_low: int | None
    knee_high: int | None
    """The 95 % interval of the budget that reaches 95 % of the gain, by a seeded bootstrap over problems."""
    points: tuple[PointSummary, ...]


def curve(rows: Sequence[SampleRow], *, seed: int = 0) -> CurveSummary | None:
    """None where fewer than two budgets, or no problem that was tried at all of them, are there."""
    budgets = sorted({row.budget for row in rows if row.budget is not None})
    of = {budget: by_problem([row for row in rows if row.budget == budget]) for budget in budgets}
    shared = [p for p in dict.fromkeys(str(row.problem) for row in rows) if all(p in of[b] for b in budgets)]
    if len(budgets) < 2 or not shared:
        return None
    columns = [[accuracies(of[budget])[problem] for problem in shared] for budget in budgets]
    first, last = _adjusted(columns, 0, seed), _adjusted(columns, len(columns) - 1, seed)
    regime = _regime([fmean(column) for column in columns], first, last)
    points: list[PointSummary] = []
    for index, budget in enumerate(budgets):
        used = [row for problem in shared for row in of[budget][problem]]
        points.append(
            PointSummary(
                budget=budget,
                accuracy=share(columns[index], len(used)),
                p_first=first[index],
                p_last=last[index],
                thinking_tokens=_mean([row.thinking_tokens for row in used]),
                cost_usd=_mean([row.cost_usd for row in used]),
            )
        )
    if regime != "knee":
        return CurveSummary(regime=regime, knee=None, knee_low=None, knee_high=None, points=tuple(points))
    low, high = (budgets[index] for index in _knee_interval(columns, seed))
    knee = budgets[_knee([fmean(column) for column in columns])]
    return CurveSummary(regime=regime, knee=knee, knee_low=low, knee_high=high, points=tuple(points))


def _adjusted(columns: Sequence[Sequence[float]], against: int, seed: int) -> list[float | None]:
    others = [index for index in range(len(columns)) if index != against]
    ps = holm(
        [
            sign_flip([a - b for a, b in zip(columns[i], columns[against], strict=True)], seed=seed)
            for i in others
        ]
    )
    known = dict(zip(others, ps, strict=True))
    return [known.get(index) for index in range(len(columns))]


def _regime(means: Sequence[float], first: Sequence[float | None], last: Sequence[float | None]) -> Regime:
    best = means.index(max(means))
    fell, rose = last[best], first[best]
    if fell is not None and fell < _ALPHA:
        return "falling"
    if rose is None or rose >= _ALPHA:
        return "flat"
    return "knee" if _knee(means) < len(means) - 1 else "rising"


def _knee(means: Sequence[float]) -> int:
    """The first budget that keeps the share of the gain which counts as all of it."""
    enough = means[0] + _KEPT * (max(means) - means[0])
    return next(index for index, mean in enumerate(means) if mean >= enough)


def _knee_interval(columns: Sequence[Sequence[float]], seed: int) -> tuple[int, int]:
    rng, problems = random.Random(seed), range(len(columns[0]))
    knees: list[int] = []
    for _ in range(_RESAMPLES):
        drawn = rng.choices(problems, k=len(problems))
        knees.append(_knee([fmean(map(column.__getitem__, drawn)) for column in columns]))
    knees.sort()
    return knees[int(_RESAMPLES * 0.025)], knees[int(_RESAMPLES * 0.975)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
