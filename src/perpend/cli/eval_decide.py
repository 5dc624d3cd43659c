"""`perpend eval decide`: one's own questions at several efforts, and which of them to use."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec.structs import replace

from perpend.cli.console import note, print_json
from perpend.cli.eval_run import Asking, finish_run
from perpend.cli.options import ConfigFile, Json, Whole
from perpend.cli.store import print_table
from perpend.config import load_config
from perpend.config.load import home_dir
from perpend.errors import BadRequest
from perpend.evals.decide import Choice, choose
from perpend.evals.report import Reported, beside, lines, read
from perpend.evals.run import fingerprint
from perpend.evals.samples import Settings
from perpend.evals.suites import load
from perpend.types import Effort

_SHOWN = 5


def decide(  # noqa: PLR0913 -- each parameter is an option of the command line
    questions: Path,
    /,
    *,
    model: str | None = None,
    cheap: str | None = None,
    efforts: Annotated[tuple[Effort, ...], Parameter(consume_multiple=True)] = ("none", "medium", "high"),
    limit: Whole = 200,
    parallel: Whole = 4,
    max_cost: Decimal | None = None,
    seed: Whole = 0,
    out: Path | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Ask your own questions with no, medium and high effort, and recommend one of them with its evidence.

    `perpend eval init mine.jsonl` makes a file to fill in; 100 to 500 questions are enough for most decisions. A run
    that was stopped goes on.

    Example: `perpend eval decide mine.jsonl --cheap qwen2.5-coder-0.5b --max-cost 5`

    Parameters
    ----------
    questions
        A .jsonl or .csv file with question, gold and verifier, or the name of a suite.
    model
        Default: the config's.
    cheap
        A cheaper model, tried without thinking and with medium effort.
    efforts
        From little to much.
    limit
        So many questions, drawn by the seed.
    parallel
        Ask so many at a time.
    max_cost
        US dollars for each setting.
    seed
        Of the draw, and of every sample.
    out
        A folder for the runs; default: one in PERPEND_HOME.
    json
        Print an object.
    config
        A perpend.toml in place of the usual one.
    """
    loaded = load_config(config)
    problems = load(str(questions), home_dir(loaded), limit=limit, seed=seed)
    base = Settings(
        suite=str(questions),
        problems=tuple(problem.id for problem in problems),
        fingerprint=fingerprint(problems),
        target="local",
        seed=seed,
    )
    folder = out or home_dir(loaded) / "runs" / f"decide-{base.fingerprint}"
    tried: list[tuple[str | None, Effort]] = [(model, effort) for effort in efforts]
    if cheap is not None:
        tried = [(cheap, "none"), (cheap, "medium"), *tried]
    asking = Asking(parallel, max_cost)
    places: list[Path] = []
    for name, effort in tried:
        note(f"{name or loaded.defaults.model}, {effort} effort")
        settings = replace(base, model=name, effort=effort)
        place = folder / f"{(name or 'default').replace('/', '-')}-{effort}"
        progress, _ = asyncio.run(finish_run(settings, problems, loaded, place, asking))
        if progress.stopped:
            raise BadRequest(
                f"{place}: {progress.stopped}", hint="raise --max-cost, and it goes on", field="--max-cost"
            )
        places.append(place)
    runs = [read(place, place.name) for place in places]
    choice = choose(runs)
    if json:
        print_json({**_facts(choice, runs), "folder": folder})
    else:
        _print(choice, runs, places)


def _facts(choice: Choice, runs: list[Reported]) -> dict[str, object]:
    settings = {run.name: {"n": run.summary.problems, "accuracy": run.accuracy, **_cost(run)} for run in runs}
    return {
        "recommended": choice.recommended,
        "reason": choice.reason,
        "best": choice.best,
        "against_best": choice.against_best,
        "settings": settings,
        "hurt_by_thinking": [one.problem.id for one in choice.hurt],
    }


def _cost(run: Reported) -> dict[str, object]:
    cost = run.summary.cost_usd
    return {
        "output_tokens": run.output_tokens,
        "cost_usd": None if cost is None else cost / run.summary.samples,
        "seconds": run.summary.seconds["all"].mean,
    }


def _print(choice: Choice, runs: list[Reported], places: list[Path]) -> None:
    from rich.table import Table

    table = Table(
        "setting", "n", "accuracy", "95 % interval", "thinking P50 / P95", "output tokens", "s", "$ / right"
    )
    for line in lines(beside(runs)):
        table.add_row(*line[:8])
    print_table(table)
    print(f"use {choice.recommended}: {choice.reason}")
    if choice.hurt:
        print(f"{len(choice.hurt)} questions were right with the least thinking and wrong with the most:")
        for one in choice.hurt[:_SHOWN]:
            print(f"  {one.problem.id}: {one.problem.messages[-1].text.splitlines()[0][:100]}")
    note(f"`perpend eval report {' '.join(map(str, places))} --out decide.md` shows them all")
