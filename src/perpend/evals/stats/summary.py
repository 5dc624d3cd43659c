"""Every statistic of graded samples: accuracy at k, tokens, time and cost, and the power of a comparison."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, median, stdev
from typing import Any

from msgspec import Struct

from perpend.evals.runs.rows import Groups, SampleRow, accuracies, by_problem
from perpend.evals.stats.at_k import best_at, majority_at, pass_at, weighted_at
from perpend.evals.stats.curve import CurveSummary, curve
from perpend.statistics import Estimate, detectable, quantile, ratio, share, standard_error

Classes = dict[str, list[int | None]]
"""By problem, the class of each sample's answer: equal answers share a number, None is no answer."""


class Spread(Struct, frozen=True):
    """The distribution of a quantity over samples."""

    n: int
    mean: float
    p50: float
    p95: float
    p99: float


class RepeatSpread(Struct, frozen=True):
    """How much thoughts about the same problem differ in length, over problems with several samples."""

    problems: int
    deviation: float
    """Coefficient of variation of a problem's thinking tokens; mean over problems."""
    longest: float | None
    """Longest over shortest thought of a problem; median over problems without empty thoughts."""


class Within(Struct, frozen=True):
    """Accuracy if every thought were cut at `thinking_tokens`: answers after longer ones count as wrong."""

    thinking_tokens: int
    accuracy: Estimate


class Detectable(Struct, frozen=True):
    """The smallest true difference in accuracy that another run of this size shows, in a two-sided test at p < 0.05
    with a power of 0.8 (Miller 2024, arXiv:2411.00640).
    """

    paired: float | None
    """On the same problems; null where a problem has a single sample, and where all samples of each problem agree."""
    unpaired: float | None
    """On other problems; null where all are right or all wrong, and where no difference up to 1 is detectable."""


class Summary(Struct, frozen=True, kw_only=True):
    problems: int
    samples: int
    fewest: int
    """The smallest number of samples that a problem has: no k is larger."""
    standard_error: float | None
    """Of pass@1, clustered by problem (Miller 2024, arXiv:2411.00640)."""
    at_k: dict[str, Estimate]
    """`pass@1`, `maj@8`, `weighted@8`, `best@8` …"""
    thinking_tokens: dict[str, Spread]
    """For `all`, `right` and `wrong` answers."""
    thinking_again: RepeatSpread | None
    """None where no problem has several samples."""
    seconds: dict[str, Spread]
    """For `all`, `right` and `wrong` answers."""
    cost_usd: float | None
    """US dollars of all samples."""
    cost_per_correct_usd: Estimate | None
    seconds_per_correct: Estimate | None
    truncated: Estimate | None
    refused: Estimate | None
    within: tuple[Within, ...]
    detectable: Detectable
    curve: CurveSummary | None
    left_out: tuple[str, ...]
    """Fields that only some rows have, so that their statistics are missing."""

    def facts(self) -> dict[str, Any]:
        """The object that `perpend eval stats --json` prints: each statistic at k under its own name."""
        named = {name: getattr(self, name) for name in self.__struct_fields__ if name != "at_k"}
        return {**self.at_k, **named}


def summary(rows: Sequence[SampleRow], classes: Classes | None = None, *, seed: int = 0) -> Summary:
    """Compute every statistic. Answers are classed by their text where no `classes` are given.

    Raises ValueError where there are no rows.
    """
    groups = by_problem(rows)
    means = list(accuracies(groups).values())
    complete = {name: _complete(rows, name) for name in _OPTIONAL}
    right = [float(sum(row.correct for row in samples)) for samples in groups.values()]

    def per_correct(field: str) -> Estimate | None:
        return ratio(_sums(groups, field), right, seed=seed) if complete[field] else None

    def of_all(field: str) -> Estimate | None:
        return (
            share([fmean(getattr(row, field) for row in samples) for samples in groups.values()], len(rows))
            if complete[field]
            else None
        )

    return Summary(
        problems=len(groups),
        samples=len(rows),
        fewest=min(map(len, groups.values())),
        standard_error=standard_error(means),
        at_k=_at_k(groups, classes or text_classes(groups), rewarded=complete["reward"], seed=seed),
        thinking_tokens=_spreads(rows, "thinking_tokens") if complete["thinking_tokens"] else {},
        thinking_again=_repeat_spread(groups) if complete["thinking_tokens"] else None,
        seconds=_spreads(rows, "seconds") if complete["seconds"] else {},
        cost_usd=math.fsum(_sums(groups, "cost_usd")) if complete["cost_usd"] else None,
        cost_per_correct_usd=per_correct("cost_usd"),
        seconds_per_correct=per_correct("seconds"),
        truncated=of_all("truncated"),
        refused=of_all("refused"),
        within=tuple(_within(rows, groups)) if complete["thinking_tokens"] else (),
        detectable=_detectable(groups, means),
        curve=curve(rows, seed=seed),
        left_out=tuple(_incomplete_fields(rows)),
    )


_OPTIONAL = ("thinking_tokens", "cost_usd", "seconds", "truncated", "refused", "reward", "budget")


def _complete(rows: Sequence[SampleRow], field: str) -> bool:
    return all(getattr(row, field) is not None for row in rows)


def _incomplete_fields(rows: Sequence[SampleRow]) -> list[str]:
    lacking = {name: sum(getattr(row, name) is None for row in rows) for name in _OPTIONAL}
    return [
        f"{name}: {count} of {len(rows)} rows lack it"
        for name, count in lacking.items()
        if 0 < count < len(rows)
    ]


def _sums(groups: Groups, field: str) -> list[float]:
    return [math.fsum(getattr(row, field) for row in samples) for samples in groups.values()]


def text_classes(groups: Groups) -> Classes:
    """Classes of answers by equal texts."""
    classes: Classes = {}
    for problem, rows in groups.items():
        numbers: dict[str, int] = {}
        classes[problem] = [
            None if row.answer_text is None else numbers.setdefault(row.answer_text, len(numbers))
            for row in rows
        ]
    return classes


def ladder(fewest: int) -> list[int]:
    """1, 2, 4, 8 … and `fewest` itself."""
    return sorted({fewest, *(2**power for power in range(fewest.bit_length()))})


def _at_k(groups: Groups, classes: Classes, *, rewarded: bool, seed: int) -> dict[str, Estimate]:
    ks = ladder(min(map(len, groups.values())))
    voted = any(answer_class is not None for samples in classes.values() for answer_class in samples)
    sample_count = sum(map(len, groups.values()))
    found: dict[str, Estimate] = {}

    def add(name: str, value: Callable[[str, Sequence[SampleRow], list[bool]], float]) -> None:
        values = [
            value(problem, samples, [bool(row.correct) for row in samples])
            for problem, samples in groups.items()
        ]
        found[name] = share(values, sample_count)

    for k in ks:
        add(f"pass@{k}", lambda _, samples, correct, k=k: pass_at(len(samples), sum(correct), k))
    for k in ks if voted else ():
        add(f"maj@{k}", lambda problem, _, correct, k=k: majority_at(classes[problem], correct, k))
    for k in ks if rewarded else ():
        add(f"best@{k}", lambda _, samples, correct, k=k: best_at(correct, _rewards(samples), k))
    for k in ks if rewarded and voted else ():
        add(
            f"weighted@{k}",
            lambda problem, samples, correct, k=k: weighted_at(
                classes[problem], correct, _rewards(samples), k, seed=seed
            ),
        )
    return found


def _rewards(rows: Sequence[SampleRow]) -> list[float]:
    return [row.reward for row in rows if row.reward is not None]


def _spreads(rows: Sequence[SampleRow], field: str) -> dict[str, Spread]:
    kinds = {
        "all": rows,
        "right": [r for r in rows if r.correct],
        "wrong": [r for r in rows if not r.correct],
    }
    return {name: _spread([getattr(row, field) for row in group]) for name, group in kinds.items() if group}


def _spread(values: list[float]) -> Spread:
    values.sort()
    return Spread(len(values), fmean(values), *(quantile(values, q) for q in (0.5, 0.95, 0.99)))


def _repeat_spread(groups: Groups) -> RepeatSpread | None:
    lengths = [[row.thinking_tokens or 0 for row in samples] for samples in groups.values()]
    repeated = [tokens for tokens in lengths if len(tokens) > 1 and any(tokens)]
    if not repeated:
        return None
    longest = [max(tokens) / min(tokens) for tokens in repeated if min(tokens)]
    deviation = fmean(stdev(tokens) / fmean(tokens) for tokens in repeated)
    return RepeatSpread(len(repeated), deviation, median(longest) if longest else None)


def _within(rows: Sequence[SampleRow], groups: Groups) -> list[Within]:
    """Accuracy at each power of two from the 5th percentile of thinking tokens to the longest thought."""
    lengths = sorted(row.thinking_tokens or 0 for row in rows)
    shortest, longest = int(quantile(lengths, 0.05)), lengths[-1]
    found: list[Within] = []
    for power in range(max(shortest, 1).bit_length() - 1, longest.bit_length() + 1 if longest else 0):
        tokens = 2**power
        values = [
            fmean(row.correct and (row.thinking_tokens or 0) <= tokens for row in samples)
            for samples in groups.values()
        ]
        found.append(Within(tokens, share(values, len(rows))))
        if tokens >= longest:
            break
    return found


def _detectable(groups: Groups, means: Sequence[float]) -> Detectable:
    n = len(means)
    error = standard_error(means)
    noise = None
    if min(map(len, groups.values())) > 1:
        # the variance of a problem's mean, from how its own samples differ
        noise = fmean(
            m * (1 - m) / (len(samples) - 1) for m, samples in zip(means, groups.values(), strict=True)
        )
    return Detectable(
        paired=None if noise is None else _possible_difference(detectable(math.sqrt(2 * noise), n)),
        unpaired=None
        if error is None
        else _possible_difference(detectable(math.sqrt(2) * error * math.sqrt(n), n)),
    )


def _possible_difference(least: float) -> float | None:
    """None for 0 (samples without variance estimate none) and above 1 (accuracies can't differ by more)."""
    return least if 0 < least <= 1 else None
