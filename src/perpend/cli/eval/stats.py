"""`perpend eval stats`: every statistic of graded samples from anywhere."""

import asyncio
import math
from contextlib import aclosing
from pathlib import Path

from perpend.cli.console import print_json, print_table
from perpend.cli.options import ConfigFile, Flag, Json, Whole
from perpend.config import load_config
from perpend.config.schema import Config
from perpend.evals.reports.report import read as read_run
from perpend.evals.runs.rows import Groups, SampleRow, by_problem, read_rows
from perpend.evals.stats.compare import Comparison, compare
from perpend.evals.stats.curve import CurveSummary
from perpend.evals.stats.summary import Classes, Spread, Summary, summary
from perpend.statistics import Estimate


def stats(
    file: Path,
    /,
    *,
    candidates: Flag = False,
    verifier: str | None = None,
    baseline: tuple[Path, ...] = (),
    seed: Whole = 0,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Print what samples amount to: pass@k, maj@k, tokens, cost per right answer, the budget curve; with intervals.

    Each line is an object with `problem` and `correct`, and maybe `answer`, `thinking_tokens`, `cost_usd`, `seconds`,
    `truncated`, `refused`, `reward`, `budget`. Intervals are 95 % ones; samples of a problem count as one unit.

    Examples:

    - `perpend eval stats samples.jsonl --json`
    - `perpend eval stats new.jsonl --baseline old.jsonl`
    - `perpend eval stats runs/voted --candidates --baseline runs/voted`

    Parameters
    ----------
    file
        JSON lines, or the folder of a run; "-" for stdin.
    candidates
        Of a run's folder: each candidate is a sample, graded as the run was, and its score is its reward.
    verifier
        Answers are one vote where this verifier says that they are the same; default: where their texts are.
    baseline
        Another run's samples of the same problems, for paired tests. May be given several times.
    seed
        Of everything that is resampled.
    json
        Print an object.
    """
    rows = asyncio.run(_candidates(file, load_config(config))) if candidates else _rows(file)
    others = {str(path): _rows(path, field="--baseline") for path in baseline}
    classes = asyncio.run(_verified_classes(by_problem(rows), verifier)) if verifier else None
    found, compared = summary(rows, classes, seed=seed), compare(rows, others, seed=seed)
    if json:
        print_json({**found.facts(), "baselines": compared})
        return
    print_summary(found)
    if found.curve is not None:
        _print_curve(found.curve)
    if compared:
        _print_compared(compared)


def _rows(path: Path, *, field: str = "FILE") -> list[SampleRow]:
    return read_run(path, path.name).rows if path.is_dir() else read_rows(path, field=field)


async def _candidates(path: Path, config: Config) -> list[SampleRow]:
    from perpend.evals.runs.candidates import candidate_rows
    from perpend.runtime import Verifiers

    async with aclosing(Verifiers(config)) as verifiers:
        return await candidate_rows(path, verifiers.get)


async def _verified_classes(groups: Groups, kind: str) -> Classes:
    """Classes of answers: each joins the first earlier answer that the verifier counts as the same."""
    from perpend.verifiers import verifiers

    classes: Classes = {}
    async with aclosing(verifiers.get(kind, field="--verifier")()) as checker:
        for problem, rows in groups.items():
            leaders: list[str] = []
            numbers: dict[str, int] = {}
            for answer in dict.fromkeys(row.answer_text for row in rows if row.answer_text is not None):
                for number, leader in enumerate(leaders):
                    if await checker.same(leader, answer):
                        numbers[answer] = number
                        break
                else:
                    numbers[answer] = len(leaders)
                    leaders.append(answer)
            classes[problem] = [None if row.answer_text is None else numbers[row.answer_text] for row in rows]
    return classes


def print_summary(found: Summary) -> None:
    """Print the statistics as tables and lines."""
    from rich.table import Table

    each = found.samples / found.problems
    print(f"{found.samples} samples of {found.problems} problems ({each:.4g} each, at least {found.fewest})")
    ks = sorted({int(name.partition("@")[2]) for name in found.at_k})
    ways = list(dict.fromkeys(name.partition("@")[0] for name in found.at_k))
    table = Table("k", *[f"{way}@k" for way in ways])
    for k in ks:
        table.add_row(str(k), *[_estimate(found.at_k[f"{way}@{k}"]) for way in ways])
    print_table(table)
    if found.standard_error is not None:
        print(f"standard error of pass@1, clustered by problem: {found.standard_error:.4f}")
    _print_spreads(found)
    for name, value in (
        ("$ per right answer", found.cost_per_correct_usd),
        ("seconds per right answer", found.seconds_per_correct),
        ("share truncated", found.truncated),
        ("share refused", found.refused),
    ):
        if value is not None:
            print(f"{name}: {_estimate(value)}")
    if found.cost_usd is not None:
        print(f"$ in all: {found.cost_usd:.6g}")
    if found.within:
        shares = [f"{within.thinking_tokens}: {within.accuracy.estimate:.3f}" for within in found.within]
        print(f"right within so many thinking tokens: {', '.join(shares)}")
    least = found.detectable
    if least.paired is not None:
        print(f"smallest difference that a run of this size on these problems would show: {least.paired:.3f}")
    other = (
        "can't tell from so few, or such equal, answers"
        if least.unpaired is None
        else f"{least.unpaired:.3f}"
    )
    print(f"smallest difference that a run of this size on other problems would show: {other}")
    for lacking in found.left_out:
        print(f"left out: {lacking}")


def _print_spreads(found: Summary) -> None:
    from rich.table import Table

    spreads: list[tuple[str, Spread]] = []
    for label, by_kind in (("thinking tokens", found.thinking_tokens), ("seconds", found.seconds)):
        spreads += [(f"{label}, {kind}", spread) for kind, spread in by_kind.items()]
    if spreads:
        table = Table("", "n", "mean", "P50", "P95", "P99")
        for name, spread in spreads:
            table.add_row(
                name,
                str(spread.n),
                *[f"{value:.4g}" for value in (spread.mean, spread.p50, spread.p95, spread.p99)],
            )
        print_table(table)
    if (again := found.thinking_again) is not None:
        longest = "" if again.longest is None else f", the longest is {again.longest:.1f} times the shortest"
        print(
            f"thoughts about the same problem ({again.problems} have several): "
            f"standard deviation {again.deviation:.0%} of the mean{longest}"
        )


def _print_curve(curve: CurveSummary) -> None:
    from rich.table import Table

    table = Table("budget", "accuracy", "p against first", "p against last", "thinking", "$ each")
    for point in curve.points:
        p_values = ["" if p is None else f"{p:.3g}" for p in (point.p_first, point.p_last)]
        means = ["" if mean is None else f"{mean:.4g}" for mean in (point.thinking_tokens, point.cost_usd)]
        table.add_row(str(point.budget), _estimate(point.accuracy), *p_values, *means)
    print_table(table)
    line = f"regime: {curve.regime}"
    if curve.knee is not None:
        line += f", at {curve.knee} thinking tokens ({curve.knee_low} to {curve.knee_high})"
    print(f"{line}. All budgets are pooled in the figures above.")


def _print_compared(compared: tuple[Comparison, ...]) -> None:
    from rich.table import Table

    table = Table("against", "difference", "better", "worse", "p", "adjusted", "thinking", "$ each")
    for comparison in compared:
        differences = [
            "" if mean is None else f"{mean:+.4g}"
            for mean in (comparison.thinking_tokens, comparison.cost_usd)
        ]
        counts = str(comparison.better), str(comparison.worse)
        p_values = f"{comparison.p:.3g}", f"{comparison.p_adjusted:.3g}"
        table.add_row(comparison.baseline, _estimate(comparison.difference), *counts, *p_values, *differences)
    print_table(table)


def _estimate(estimate: Estimate) -> str:
    if math.isinf(estimate.estimate):
        return "no bound: nothing is right"
    high = "no bound" if math.isinf(estimate.high) else f"{estimate.high:.4g}"
    return f"{estimate.estimate:.4g} ({estimate.low:.4g} to {high})"
