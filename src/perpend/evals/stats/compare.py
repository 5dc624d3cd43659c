"""Compare two runs on the same problems: the difference in accuracy, and whether it's more than chance."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from msgspec import Struct

from perpend.errors import BadRequest
from perpend.evals.runs.rows import Groups, SampleRow, accuracies, by_problem
from perpend.statistics import Estimate, holm, mcnemar, ratio, sign_flip


class Comparison(Struct, frozen=True, kw_only=True):
    """A run against a baseline, on the problems that both have."""

    baseline: str
    difference: Estimate
    """In accuracy: positive where the run is better; 95 % interval by a bootstrap over problems (Efron 1979)."""
    better: int
    """Problems on which the run's share of right samples is higher."""
    worse: int
    p: float
    """Two-sided, by sign flips of the problems' differences."""
    p_adjusted: float
    """Adjusted for the number of baselines (Holm 1979)."""
    p_mcnemar: float | None
    """McNemar's test, exact; null unless both have one sample of each problem."""
    thinking_tokens: float | None
    """Mean of the run's samples less the baseline's; null where some row lacks it."""
    cost_usd: float | None
    """As `thinking_tokens`, in US dollars."""


def compare(
    rows: Sequence[SampleRow], baselines: Mapping[str, Sequence[SampleRow]], *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Paired by problem: sign-flip tests, adjusted by Holm for the number of baselines, and McNemar's where it applies.

    Raises BadRequest where a baseline shares no problem with the run.
    """
    run = by_problem(rows)
    pairs = [
        (name, *_shared_problems(run, by_problem(baseline_rows), name))
        for name, baseline_rows in baselines.items()
    ]
    differences = [_differences(run_groups, baseline_groups) for _, run_groups, baseline_groups in pairs]
    p_values = [sign_flip(values, seed=seed) for values in differences]
    adjusted = holm(p_values)
    return tuple(
        Comparison(
            baseline=name,
            difference=ratio(differences[index], [1.0] * len(differences[index]), seed=seed),
            better=(better := sum(value > 0 for value in differences[index])),
            worse=(worse := sum(value < 0 for value in differences[index])),
            p=p_values[index],
            p_adjusted=adjusted[index],
            p_mcnemar=mcnemar(better, worse)
            if _one_sample_each(run_groups) and _one_sample_each(baseline_groups)
            else None,
            thinking_tokens=_mean_difference(run_groups, baseline_groups, "thinking_tokens"),
            cost_usd=_mean_difference(run_groups, baseline_groups, "cost_usd"),
        )
        for index, (name, run_groups, baseline_groups) in enumerate(pairs)
    )


def _shared_problems(run: Groups, baseline: Groups, name: str) -> tuple[Groups, Groups]:
    both = [problem for problem in run if problem in baseline]
    if not both:
        hint = "paired tests need the same problems in both files"
        raise BadRequest(f"{name} has none of the run's problems", hint=hint, field="--baseline")
    return {problem: run[problem] for problem in both}, {problem: baseline[problem] for problem in both}


def _differences(run: Groups, baseline: Groups) -> list[float]:
    before = accuracies(baseline)
    return [value - before[problem] for problem, value in accuracies(run).items()]


def _one_sample_each(groups: Groups) -> bool:
    return all(len(rows) == 1 for rows in groups.values())


def _mean_difference(run: Groups, baseline: Groups, field: str) -> float | None:
    means: list[float] = []
    for groups in (run, baseline):
        values = [getattr(row, field) for rows in groups.values() for row in rows]
        if None in values:
            return None
        means.append(fmean(values))
    return means[0] - means[1]
