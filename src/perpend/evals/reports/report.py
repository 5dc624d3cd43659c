"""A report on one run or several: as a page, Markdown, CSV or an object."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from perpend.errors import BadRequest
from perpend.evals.audits.probes import Probe, Rewards
from perpend.evals.problems import Problem
from perpend.evals.reports import audit_report
from perpend.evals.runs.folder import Header, read_header, read_problems, read_samples
from perpend.evals.runs.lines import read_lines
from perpend.evals.runs.rows import SampleRow, by_problem
from perpend.evals.runs.samples import Sample, row_of
from perpend.evals.stats.compare import Comparison, compare
from perpend.evals.stats.summary import Summary, summary
from perpend.statistics import Estimate, share

if TYPE_CHECKING:  # reading a run needn't load what perturbs and verifies
    from perpend.evals.audits.faithfulness import Audit


class Reported(Struct, frozen=True, kw_only=True, dict=True):
    """One run, read from its folder, with its statistics."""

    name: str
    header: Header
    problems: dict[str, Problem]
    samples: list[Sample]
    rows: list[SampleRow]
    """The samples, as statistics read them."""
    probes: list[Probe]
    rewards: list[Rewards]
    """Of its audit, where there was one."""

    @cached_property
    def summary(self) -> Summary:
        return summary(self.rows)

    @cached_property
    def audit(self) -> "Audit | None":
        """The audit of its traces; None where there is none, or no whole trace led to an answer."""
        if not self.probes:
            return None
        from perpend.evals.audits.faithfulness import audit

        return audit(self.probes, self.rewards)

    @property
    def wrong(self) -> list[Sample]:
        """Samples that aren't right, in the order of the suite."""
        places = {name: place for place, name in enumerate(self.problems)}
        wrong = [sample for sample in self.samples if not sample.correct]
        return sorted(wrong, key=lambda sample: (places[sample.problem], sample.number))

    @property
    def accuracy(self) -> Estimate:
        return self.summary.at_k["pass@1"]

    @property
    def output_tokens(self) -> float:
        """Mean of a sample."""
        return fmean(sample.usage.output for sample in self.samples)


class Difference(Struct, frozen=True, kw_only=True):
    """A problem on which two runs' accuracies differ, with a sample of each."""

    problem: Problem
    right: tuple[float, float]
    """The share of each run's samples that are right."""
    samples: tuple[Sample, Sample]


class Report(Struct, frozen=True, kw_only=True):
    """Several runs; the first one is the baseline of the others."""

    runs: list[Reported]
    comparisons: list[Comparison | None]
    """Each run against the first; None for the first."""
    categories: dict[str, list[Estimate | None]]
    """By category, the accuracy of each run."""
    differences: list[Difference]
    """Between the first run and the last one, the largest first."""


def report(folders: Sequence[Path]) -> Report:
    """Read runs and compare them. Raises BadRequest where a folder isn't a run's, or has no samples."""
    return beside(read_all(folders))


def read_all(folders: Sequence[Path]) -> list[Reported]:
    """The runs, each under a name that tells it from the others. Raises BadRequest as `report` does."""
    return list(map(read, folders, _names(folders)))


def beside(runs: list[Reported]) -> Report:
    """Compare runs, of which there is at least one. Raises BadRequest where one shares no problem with the first."""
    first = runs[0]
    rest = [compare(run.rows, {first.name: first.rows})[0] for run in runs[1:]]
    return Report(
        runs=runs,
        comparisons=[None, *rest],
        categories=_categories(runs),
        differences=differences(first, runs[-1]) if len(runs) > 1 else [],
    )


def read(path: Path, name: str) -> Reported:
    """Read a run from its folder. Raises BadRequest where it isn't a run's, or has no samples."""
    header, samples = read_header(path), read_samples(path)
    if not samples:
        raise BadRequest(
            f"{path} holds no samples yet", hint="perpend eval run … goes on with it", field="RUN"
        )
    rows = [row_of(sample, header.settings) for sample in samples]
    return Reported(
        name=name,
        header=header,
        problems=read_problems(path),
        samples=samples,
        rows=rows,
        probes=read_lines(path / "audit.jsonl", Probe),
        rewards=read_lines(path / "rewards.jsonl", Rewards),
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as much of their paths as makes them distinct."""
    for depth in range(1, 32):
        names = ["/".join(path.absolute().parts[-depth:]) for path in folders]
        if len(set(names)) == len(names):
            return names
    raise BadRequest("the same run is named twice", field="RUN")


def _categories(runs: Sequence[Reported]) -> dict[str, list[Estimate | None]]:
    found: dict[str, list[Estimate | None]] = defaultdict(lambda: [None] * len(runs))
    for index, run in enumerate(runs):
        values: dict[str, list[float]] = defaultdict(list)
        for id_, rows in by_problem(run.rows).items():
            if (category := run.problems[id_].category) is not None:
                values[category].append(fmean(row.correct for row in rows))
        for category, accuracies in values.items():
            found[category][index] = share(accuracies)
    return dict(sorted(found.items()))


def differences(first: Reported, last: Reported) -> list[Difference]:
    """Problems on which two runs' accuracies differ, the largest difference first."""
    before, after = _by_problem(first), _by_problem(last)
    found: list[Difference] = []
    for id_ in before:
        if id_ in after:
            right = _right(before[id_]), _right(after[id_])
            if right[0] != right[1]:
                samples = (
                    _example(before[id_], right[0] > right[1]),
                    _example(after[id_], right[1] > right[0]),
                )
                found.append(Difference(problem=first.problems[id_], right=right, samples=samples))
    return sorted(found, key=lambda difference: -abs(difference.right[1] - difference.right[0]))


def _by_problem(run: Reported) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in run.samples:
        found[sample.problem].append(sample)
    return found


def _right(samples: Sequence[Sample]) -> float:
    return fmean(sample.correct for sample in samples)


def _example(samples: Sequence[Sample], better: bool) -> Sample:
    """A right sample of the better run, a wrong one of the other."""
    return next((sample for sample in samples if sample.correct is better), samples[0])


SHOWN = 60
"""The most problems that are shown with their traces."""
HEADINGS = (
    "run",
    "n",
    "accuracy",
    "95 % interval",
    "thinking P50 / P95",
    "output tokens",
    "s",
    "$ per right answer",
    "truncated",
    "failed",
    "against the first",
    "p",
)


def lines(found: Report) -> Iterator[tuple[str, ...]]:
    """A row of the table for each run, as texts."""
    for run, compared in zip(found.runs, found.comparisons, strict=True):
        thinking, seconds = run.summary.thinking_tokens["all"], run.summary.seconds["all"]
        cost, truncated = run.summary.cost_per_correct_usd, run.summary.truncated
        yield (
            run.name,
            str(run.summary.problems),
            f"{run.accuracy.estimate:.3f}",
            f"{run.accuracy.low:.3f} to {run.accuracy.high:.3f}",
            f"{thinking.p50:.0f} / {thinking.p95:.0f}",
            f"{run.output_tokens:.0f}",
            f"{seconds.mean:.2f}",
            "" if cost is None else "none right" if math.isinf(cost.estimate) else f"{cost.estimate:.4g}",
            "" if truncated is None else f"{truncated.estimate:.1%}",
            str(sum(sample.error is not None for sample in run.samples)),
            "" if compared is None else _interval(compared.difference),
            "" if compared is None else f"{compared.p:.3g}",
        )


def _interval(estimate: Estimate) -> str:
    return f"{estimate.estimate:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def markdown(found: Report) -> str:
    """The report as Markdown."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *lines(found)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    settings = "\n".join(f"- {run.name}: {settings_of(run)}" for run in found.runs)
    audits = "".join(
        f"\n## Audit: {run.name}\n\n{audit_report.markdown(run.audit)}" for run in found.runs if run.audit
    )
    wrong = "".join(f"\n## Wrong answers: {run.name}\n\n{_wrong(run)}" for run in found.runs if run.wrong)
    return f"{table}\n\n{settings}\n{audits}{wrong}"


def _wrong(run: Reported) -> str:
    samples = [_sample_text(run, sample) for sample in run.wrong[:SHOWN]]
    if len(run.wrong) > SHOWN:
        samples.append(f"… and {len(run.wrong) - SHOWN} more: samples.jsonl has them all.\n")
    return "\n".join(samples)


def _sample_text(run: Reported, sample: Sample) -> str:
    problem = run.problems[sample.problem]
    parts = {
        "question": problem.messages[-1].text,
        "right": problem.gold or "",
        "thought": sample.thinking,
        "answer": sample.answer,
        "verdict": sample.verdict.feedback if sample.verdict else sample.error or "",
    }
    quoted = [_quoted(name, text) for name, text in parts.items() if text.strip()]
    return f"### {sample.problem}, sample {sample.number + 1}\n\n" + "\n".join(quoted)


def _quoted(name: str, text: str) -> str:
    """The text as an indented block, which no markup in it can end."""
    return f"{name}:\n\n" + "".join(f"    {line}\n" for line in text.splitlines())


def table(found: Report) -> str:
    """The table of runs as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([HEADINGS, *lines(found)])
    return text.getvalue()


def facts(found: Report) -> dict[str, Any]:
    """The report as an object for JSON."""
    return {
        "runs": [
            {
                "name": run.name,
                "settings": run.header.settings,
                "accuracy": run.accuracy,
                **run.summary.facts(),
                "wrong": run.wrong,
                **({} if run.audit is None else {"audit": run.audit}),
            }
            for run in found.runs
        ],
        "comparisons": [compared for compared in found.comparisons if compared is not None],
        "categories": found.categories,
    }


def settings_of(run: Reported) -> str:
    """The run's settings without the problems' ids, its start, versions and machine, as a text."""
    settings = run.header.settings
    decided = {
        name: value
        for name in settings.__struct_fields__
        if name != "problems" and (value := getattr(settings, name)) is not None
    }
    versions = {"started": run.header.started, **run.header.versions, **run.header.machine}
    return ", ".join(f"{name} {value}" for name, value in {**decided, **versions}.items())
