"""`perpend eval decide`: run questions in several settings, recommend one of them, and report on all."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from perpend.cli.console import note, print_json, print_table
from perpend.cli.eval.settings import Axes, Setting, ThinkingAmount
from perpend.cli.option_groups import DrawOptions, PaceOptions
from perpend.cli.options import Budgets, ConfigFile, Count, Json, Whole
from perpend.config import load_config
from perpend.config.load import home_dir
from perpend.evals.problems import fingerprint
from perpend.evals.reports.report import Reported, beside, lines
from perpend.evals.stats.decide import Decision, choose
from perpend.types import Effort

_SHOWN = 5
_EFFORTS: tuple[Effort, ...] = ("none", "medium", "high")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SettingOptions:
    """What the settings are combinations of."""

    models: Annotated[tuple[str, ...], Parameter(name=["--model", "--models"], consume_multiple=True)] = ()
    """Default: the config's."""
    cheap: str | None = None
    """A cheaper model, tried without thinking and with medium effort."""
    systems: Annotated[tuple[str, ...], Parameter(name=["--system", "--systems"], consume_multiple=True)] = ()
    """System messages: texts, or files that hold them; default: the suite's own."""
    efforts: Annotated[
        tuple[Effort, ...], Parameter(name=["--efforts", "--effort"], consume_multiple=True)
    ] = ()
    """From little to much; default: none, medium and high, where no budgets are named."""
    max_thinking_tokens: Budgets = ()
    """Budgets, from little to much."""
    strategies: Annotated[
        tuple[str, ...], Parameter(name=["--strategy", "--strategies"], consume_multiple=True)
    ] = ("single",)
    """Names, or JSON objects."""

    def axes(self) -> Axes:
        """The axes: efforts before budgets; the usual efforts where neither is named."""
        efforts = self.efforts or (() if self.max_thinking_tokens else _EFFORTS)
        by_effort = [ThinkingAmount(effort) for effort in efforts]
        by_budget = [ThinkingAmount(tokens=tokens) for tokens in self.max_thinking_tokens]
        return Axes(self.models, self.systems, self.strategies, (*by_effort, *by_budget))

    def cheap_groups(self) -> list[list[Setting]]:
        """Settings of the cheaper model, where one is named. Raises BadRequest."""
        if self.cheap is None:
            return []
        amounts = ThinkingAmount("none"), ThinkingAmount("medium")
        return Axes((self.cheap,), self.systems, ("single",), amounts).groups()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class QuestionOptions(DrawOptions):
    """Which questions are asked, and with what seed."""

    limit: Count | None = 200
    """So many questions, drawn by the seed."""
    seed: Whole = 0
    """Of the draw, and of every sample."""


def decide(
    questions: Path,
    /,
    *,
    settings: SettingOptions = SettingOptions(),
    draw: QuestionOptions = QuestionOptions(),
    pace: PaceOptions = PaceOptions(),
    out: Path | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Ask your own questions in every setting, print a table, and recommend one of them with its evidence.

    Settings are all combinations of models, system messages, strategies, and how much is thought: efforts and budgets.
    The folder gets a report of all runs, with the wrong answers of each and their traces. `perpend eval init
    mine.jsonl` makes a file to fill in; 100 to 500 questions are enough for most decisions. A run that was stopped
    goes on.

    Examples:

    - `perpend eval decide mine.jsonl --cheap qwen2.5-coder-0.5b --max-cost 5`
    - `perpend eval decide mine.jsonl --model a b --system short.txt long.txt --efforts low high --out runs/grid`

    Parameters
    ----------
    questions
        A .jsonl or .csv file with question, gold and verifier, or the name of a suite.
    pace.max_cost
        US dollars for each setting.
    out
        A folder for the runs and their report; default: one in PERPEND_HOME.
    json
        Print an object.
    """
    from perpend.cli.eval.grid import Grid
    from perpend.evals.suites.catalogue import load

    loaded = load_config(config)
    problems = load(str(questions), home_dir(loaded), limit=draw.limit, seed=draw.seed)
    axes = settings.axes()
    folder = out or home_dir(loaded) / "runs" / f"decide-{fingerprint(problems)}"
    grid = Grid(str(questions), problems, axes, folder, draw.seed)
    groups = [*settings.cheap_groups(), *axes.groups()]
    runs = asyncio.run(grid.runs(groups, loaded, pace))
    all_runs = [run for group in runs for run in group]
    choice = choose(all_runs, [(group[0], group[-1]) for group in runs])
    report = grid.report(all_runs)
    if json:
        print_json({**_facts(choice, all_runs), "folder": folder, "report": report})
    else:
        _print(choice, all_runs)
        note(f"{report} tells of all of them, with their wrong answers")
    if all(sample.error for run in all_runs for sample in run.samples):
        raise SystemExit(1)


def _facts(choice: Decision, runs: list[Reported]) -> dict[str, object]:
    settings = {run.name: {"n": run.summary.problems, "accuracy": run.accuracy, **_cost(run)} for run in runs}
    return {
        "recommended": choice.recommended,
        "reason": choice.reason,
        "best": choice.best,
        "against_best": choice.against_best,
        "settings": settings,
        "hurt_by_thinking": list(dict.fromkeys(difference.problem.id for difference in choice.hurt)),
    }


def _cost(run: Reported) -> dict[str, object]:
    cost = run.summary.cost_usd
    return {
        "output_tokens": run.output_tokens,
        "cost_usd": None if cost is None else cost / run.summary.samples,
        "seconds": run.summary.seconds["all"].mean,
    }


def _print(choice: Decision, runs: list[Reported]) -> None:
    from rich.table import Table

    table = Table(
        "setting", "n", "accuracy", "95 % interval", "thinking P50 / P95", "output tokens", "s", "$ / right"
    )
    for line in lines(beside(runs)):
        table.add_row(*line[:8])
    print_table(table)
    print(f"use {choice.recommended}: {choice.reason}" if choice.recommended else choice.reason)
    if choice.hurt:
        print(f"{len(choice.hurt)} questions were right with the least thinking and wrong with the most:")
        for difference in choice.hurt[:_SHOWN]:
            print(f"  {difference.problem.id}: {difference.problem.messages[-1].text.splitlines()[0][:100]}")
