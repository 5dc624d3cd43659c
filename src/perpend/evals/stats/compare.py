"""Two runs on the same problems: which of them is better, and whether that is more than chance."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from msgspec import Struct

from perpend.errors import BadRequest
from perpend.evals.runs.rows import Groups, SampleRow, accuracies, by_problem
from perpend.statistics import Estimate, holm, mcnemar, ratio, sign_flip


class Comparison(Struct, frozen=True, kw_only=True):
    """Of a run against a baseline, on the problems that both have."""

    baseline: str
    difference: Estimate
    """In accuracy: positive where the run is better. With a bootstrap over problems."""
    better: int
    """Problems on which the run's share of right samples is higher."""
    worse: int
    p: float
    """Two-sided, by sign flips of the problems' differences."""
    p_adjusted: float
    """For the number of baselines, by Holm."""
    p_mcnemar: float | None
    """Exact; where both have one sample of each problem."""
    thinking_tokens: float | None
    """Mean of the run's samples less the baseline's; null where some row doesn't say."""
    cost_usd: float | None


def compare(
    rows: Sequence[SampleRow], baselines: Mapping[str, Sequence[SampleRow]], *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Paired by problem: sign-flip tests, adjusted by Holm for the number of baselines, and McNemar's where it applies.

    Raises BadRequest where a baseline shares no problem with the run.
    """
    run = by_problem(rows)
    pairs = [(name, *_shared(run, by_problem(of), name)) for name, of in baselines.items()]
    differences = [_differences(mine, theirs) for _, mine, theirs in pairs]
    ps = [sign_flip(of, seed=seed) for of in differences]
    adjusted = holm(ps)
    return tuple(
        Comparison(
            baseline=name,
            difference=ratio(differences[index], [1.0] * len(differences[index]), seed=seed),
            better=(better := sum(value > 0 for value in differences[index])),
            worse=(worse := sum(value < 0 for value in differences[index])),
            p=ps[index],
            p_adjusted=adjusted[index],
            p_mcnemar=mcnemar(better, worse) if _single(mine) and _single(theirs) else None,
            thinking_tokens=_more(mine, theirs, "thinking_tokens"),
            cost_usd=_more(mine, theirs, "cost_usd"),
        )
        for index, (name, mine, theirs) in enumerate(pairs)
    )


def _shared(run: Groups, baseline: Groups, name: str) -> tuple[Groups, Groups]:
    both = [problem for problem in run if problem in baseline]
    if not both:
        hint = "paired tests need the same problems in both files"
        raise BadRequest(f"{name} has none of the run's problems", hint=hint, field="--baseline")
    return {problem: run[problem] for problem in both}, {problem: baseline[problem] for problem in both}


def _differences(mine: Groups, theirs: Groups) -> list[float]:
    before = accuracies(theirs)
    return [value - before[problem] for problem, value in accuracies(mine).items()]


def _single(groups: Groups) -> bool:
    return all(len(of) == 1 for of in groups.values())


def _more(mine: Groups, theirs: Groups, field: str) -> float | None:
    means: list[float] = []
    for groups in (mine, theirs):
        values = [getattr(row, field) for of in groups.values() for row in of]
        if None in values:
            return None
        means.append(fmean(values))
    return means[0] - means[1]
