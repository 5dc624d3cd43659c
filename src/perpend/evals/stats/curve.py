"""Accuracy against the thinking budget: the accuracy at each budget, the knee, and the regime.

The rule, on the problems that were tried at every budget. The *best* budget is the smallest one of the highest
accuracy; a difference counts where a sign-flip test over problems has p < 0.05, adjusted by Holm for the number of
budgets.

- `falling`: the largest budget is worse than the best one: more thinking hurts.
- `flat`: the best budget isn't significantly better than the smallest one.
- `knee`: 95 % of the whole gain, from the smallest to the best budget, is reached before the largest one. The knee is
  the smallest budget that reaches it.
- `rising`: only the largest budget reaches 95 % of the gain: a still larger one may reach more.
"""

import random
from collections.abc import Sequence
from statistics import fmean
from typing import Literal

from msgspec import Struct

from perpend.evals.runs.rows import SampleRow, accuracies, by_problem
from perpend.statistics import Estimate, holm, share, sign_flip

Regime = Literal["rising", "knee", "flat", "falling"]

_KNEE_SHARE = 0.95
_ALPHA = 0.05
_RESAMPLES = 1000


class PointSummary(Struct, frozen=True, kw_only=True):
    budget: int
    """Thinking tokens that were allowed."""
    accuracy: Estimate
    p_first: float | None
    """Against the smallest budget, adjusted; null for that one."""
    p_last: float | None
    """Against the largest budget, adjusted; null for that one."""
    thinking_tokens: float | None
    """Mean of those used; null where some row lacks it."""
    cost_usd: float | None
    """US dollars of a sample, mean; null where some row lacks it."""


class CurveSummary(Struct, frozen=True, kw_only=True):
    regime: Regime
    knee: int | None
    """Thinking tokens; only in the regime `knee`."""
    knee_low: int | None
    knee_high: int | None
    """The 95 % interval of the budget that reaches 95 % of the gain, by a seeded bootstrap over problems."""
    points: tuple[PointSummary, ...]


def curve(rows: Sequence[SampleRow], *, seed: int = 0) -> CurveSummary | None:
    """The curve of samples with budgets. None where there are fewer than two budgets, or no problem was tried at all of
    them.
    """
    budgets = sorted({row.budget for row in rows if row.budget is not None})
    by_budget = {budget: by_problem([row for row in rows if row.budget == budget]) for budget in budgets}
    shared = [
        p for p in dict.fromkeys(str(row.problem) for row in rows) if all(p in by_budget[b] for b in budgets)
    ]
    if len(budgets) < 2 or not shared:
        return None
    columns = [[accuracies(by_budget[budget])[problem] for problem in shared] for budget in budgets]
    first, last = _adjusted(columns, 0, seed), _adjusted(columns, len(columns) - 1, seed)
    regime = _regime([fmean(column) for column in columns], first, last)
    points: list[PointSummary] = []
    for index, budget in enumerate(budgets):
        used = [row for problem in shared for row in by_budget[budget][problem]]
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


def _adjusted(columns: Sequence[Sequence[float]], reference_index: int, seed: int) -> list[float | None]:
    others = [index for index in range(len(columns)) if index != reference_index]
    p_values = holm(
        [
            sign_flip(
                [
                    value - reference
                    for value, reference in zip(columns[index], columns[reference_index], strict=True)
                ],
                seed=seed,
            )
            for index in others
        ]
    )
    known = dict(zip(others, p_values, strict=True))
    return [known.get(index) for index in range(len(columns))]


def _regime(means: Sequence[float], first: Sequence[float | None], last: Sequence[float | None]) -> Regime:
    best = means.index(max(means))
    p_last, p_first = last[best], first[best]
    if p_last is not None and p_last < _ALPHA:
        return "falling"
    if p_first is None or p_first >= _ALPHA:
        return "flat"
    return "knee" if _knee(means) < len(means) - 1 else "rising"


def _knee(means: Sequence[float]) -> int:
    """The index of the smallest budget that reaches 95 % of the gain."""
    threshold = means[0] + _KNEE_SHARE * (max(means) - means[0])
    return next(index for index, mean in enumerate(means) if mean >= threshold)


def _knee_interval(columns: Sequence[Sequence[float]], seed: int) -> tuple[int, int]:
    rng, problems = random.Random(seed), range(len(columns[0]))
    knees: list[int] = []
    for _ in range(_RESAMPLES):
        resample = rng.choices(problems, k=len(problems))
        knees.append(_knee([fmean(map(column.__getitem__, resample)) for column in columns]))
    knees.sort()
    return knees[int(_RESAMPLES * 0.025)], knees[int(_RESAMPLES * 0.975)]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
