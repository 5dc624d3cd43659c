"""Every statistic of graded samples: what k of them reach, what they cost, and what a comparison could show."""

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
    """Of samples, not of problems."""

    n: int
    mean: float
    p50: float
    p95: float
    p99: float


class RepeatSpread(Struct, frozen=True):
    """How much the thoughts about the same problem differ in length, over the problems with several samples."""

    problems: int
    deviation: float
    """The standard deviation of a problem's samples over their mean; the mean of the problems."""
    longest: float | None
    """The longest thought of a problem over its shortest; the median of those that were thought about each time."""


class Within(Struct, frozen=True):
    """Accuracy if every thought were cut at `thinking_tokens`: answers after longer ones count as wrong."""

    thinking_tokens: int
    accuracy: Estimate


class Detectable(Struct, frozen=True):
    """The smallest true difference that another run of this size would show, at p < 0.05 with a power of 0.8."""

    paired: float | None
    """On the same problems, equally hard for both; null where one sample of each can't tell noise from difficulty, and
    where all samples of each agree."""
    unpaired: float | None
    """On other problems; null where all are right or all wrong, and where no difference is large enough."""


class Summary(Struct, frozen=True, kw_only=True):
    problems: int
    samples: int
    fewest: int
    """Samples that any problem has: no k is larger."""
    standard_error: float | None
    """Of pass@1, clustered by problem."""
    at_k: dict[str, Estimate]
    """`pass@1`, `maj@8`, `weighted@8`, `best@8` …"""
    thinking_tokens: dict[str, Spread]
    """Of `all`, `right` and `wrong` answers."""
    thinking_again: RepeatSpread | None
    """None where no problem was thought about more than once."""
    seconds: dict[str, Spread]
    cost_usd: float | None
    """Of all samples."""
    cost_per_correct_usd: Estimate | None
    seconds_per_correct: Estimate | None
    truncated: Estimate | None
    refused: Estimate | None
    within: tuple[Within, ...]
    detectable: Detectable
    curve: CurveSummary | None
    left_out: tuple[str, ...]
    """Statistics that are missing, as some rows lack the field for them."""

    def facts(self) -> dict[str, Any]:
        """As `perpend eval stats --json` prints it: each statistic at k under its own name."""
        named = {name: getattr(self, name) for name in self.__struct_fields__ if name != "at_k"}
        return {**self.at_k, **named}


def summary(rows: Sequence[SampleRow], classes: Classes | None = None, *, seed: int = 0) -> Summary:
    """Answers are classed by their text where no `classes` are given."""
    groups = by_problem(rows)
    means = list(accuracies(groups).values())
    complete = {name: _complete(rows, name) for name in _OPTIONAL}
    right = [float(sum(row.correct for row in of)) for of in groups.values()]

    def per_correct(field: str) -> Estimate | None:
        return ratio(_sums(groups, field), right, seed=seed) if complete[field] else None

    def of_all(field: str) -> Estimate | None:
        return (
            share([fmean(getattr(row, field) for row in of) for of in groups.values()], len(rows))
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
        thinking_again=_again(groups) if complete["thinking_tokens"] else None,
        seconds=_spreads(rows, "seconds") if complete["seconds"] else {},
        cost_usd=math.fsum(_sums(groups, "cost_usd")) if complete["cost_usd"] else None,
        cost_per_correct_usd=per_correct("cost_usd"),
        seconds_per_correct=per_correct("seconds"),
        truncated=of_all("truncated"),
        refused=of_all("refused"),
        within=tuple(_within(rows, groups)) if complete["thinking_tokens"] else (),
        detectable=_detectable(groups, means),
        curve=curve(rows, seed=seed),
        left_out=tuple(_left_out(rows)),
    )


_OPTIONAL = ("thinking_tokens", "cost_usd", "seconds", "truncated", "refused", "reward", "budget")


def _complete(rows: Sequence[SampleRow], field: str) -> bool:
    return all(getattr(row, field) is not None for row in rows)


def _left_out(rows: Sequence[SampleRow]) -> list[str]:
    lacking = {name: sum(getattr(row, name) is None for row in rows) for name in _OPTIONAL}
    return [
        f"{name}: {count} of {len(rows)} rows lack it"
        for name, count in lacking.items()
        if 0 < count < len(rows)
    ]


def _sums(groups: Groups, field: str) -> list[float]:
    return [math.fsum(getattr(row, field) for row in of) for of in groups.values()]


def text_classes(groups: Groups) -> Classes:
    """Equal texts are one answer."""
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
    voted = any(one is not None for of in classes.values() for one in of)
    samples = sum(map(len, groups.values()))
    found: dict[str, Estimate] = {}

    def put(name: str, value: Callable[[str, Sequence[SampleRow], list[bool]], float]) -> None:
        values = [value(problem, of, [bool(row.correct) for row in of]) for problem, of in groups.items()]
        found[name] = share(values, samples)

    for k in ks:
        put(f"pass@{k}", lambda _, of, correct, k=k: pass_at(len(of), sum(correct), k))
    for k in ks if voted else ():
        put(f"maj@{k}", lambda problem, _, correct, k=k: majority_at(classes[problem], correct, k))
    for k in ks if rewarded else ():
        put(f"best@{k}", lambda _, of, correct, k=k: best_at(correct, _rewards(of), k))
    for k in ks if rewarded and voted else ():
        put(
            f"weighted@{k}",
            lambda problem, of, correct, k=k: weighted_at(
                classes[problem], correct, _rewards(of), k, seed=seed
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
    return {name: _spread([getattr(row, field) for row in of]) for name, of in kinds.items() if of}


def _spread(values: list[float]) -> Spread:
    values.sort()
    return Spread(len(values), fmean(values), *(quantile(values, q) for q in (0.5, 0.95, 0.99)))


def _again(groups: Groups) -> RepeatSpread | None:
    each = [[row.thinking_tokens or 0 for row in of] for of in groups.values()]
    several = [tokens for tokens in each if len(tokens) > 1 and any(tokens)]
    if not several:
        return None
    longest = [max(tokens) / min(tokens) for tokens in several if min(tokens)]
    deviation = fmean(stdev(tokens) / fmean(tokens) for tokens in several)
    return RepeatSpread(len(several), deviation, median(longest) if longest else None)


def _within(rows: Sequence[SampleRow], groups: Groups) -> list[Within]:
    """At each power of two between the shortest thoughts and the longest."""
    lengths = sorted(row.thinking_tokens or 0 for row in rows)
    shortest, longest = int(quantile(lengths, 0.05)), lengths[-1]
    found: list[Within] = []
    for power in range(max(shortest, 1).bit_length() - 1, longest.bit_length() + 1 if longest else 0):
        tokens = 2**power
        values = [
            fmean(row.correct and (row.thinking_tokens or 0) <= tokens for row in of)
            for of in groups.values()
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
        noise = fmean(m * (1 - m) / (len(of) - 1) for m, of in zip(means, groups.values(), strict=True))
    return Detectable(
        paired=None if noise is None else _possible(detectable(math.sqrt(2 * noise), n)),
        unpaired=None if error is None else _possible(detectable(math.sqrt(2) * error * math.sqrt(n), n)),
    )


def _possible(least: float) -> float | None:
    """Answers that are all alike don't say how much others would differ; accuracies never differ by more than 1."""
    return least if 0 < least <= 1 else None
