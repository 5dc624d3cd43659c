"""`perpend eval curve`: accuracy by thinking budget from finished runs, and what shedding does by it."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from perpend.accounting import curves
from perpend.cli.console import note, print_json, print_table
from perpend.cli.options import ConfigFile, Degree, Flag, Json
from perpend.config import Config, load_config
from perpend.errors import BadRequest
from perpend.evals.reports.report import read_all
from perpend.evals.stats.budget_runs import BudgetRuns, curve_from


def curve(
    *runs: Path,
    model: str | None = None,
    margin: Degree = curves.MARGIN,
    off_margin: Degree = curves.OFF_MARGIN,
    install: Flag = False,
    plot: Path | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Draw accuracy against the thinking budget from runs of the same problems, and say what shedding may do by it.

    Under load a request is lowered from the budget that it would get to the *knee*, the smallest one that is surely not
    worse by more than the margin, and then to no thought at all, where that doesn't lose much more. It's never lowered
    into the dip, where a thought cut short does worse than none. With --install the gateway sheds by this curve.

    Examples:

    - `perpend eval decide mine.jsonl --model tiny --budgets 0 8 16 32 64 128 --out runs/tiny`
    - `perpend eval curve runs/tiny --install`

    Parameters
    ----------
    runs
        Folders that `perpend eval run` made, one for each budget, or that of `perpend eval decide` with all of them.
        Several seeds of a budget are pooled.
    model
        Whose curve it is; default: the one that the runs asked.
    margin
        Of accuracy, that the knee may lose: 0.05 is five points.
    off_margin
        Of what is right with thinking, the share that no thought at all may lose.
    install
        Keep the curve in PERPEND_HOME/curves. A gateway reads it when it starts.
    plot
        Draw it into this PNG file (needs the extra `bench`).
    json
        Print an object.
    """
    if not runs:
        raise BadRequest("no run is named", hint="perpend eval curve RUN …", field="--runs")
    for name, value in (("--margin", margin), ("--off-margin", off_margin)):
        if value >= 1:
            raise BadRequest(f"{name} {value:g} isn't a share", hint="such as 0.05", field=name)
    held = read_all([folder for path in runs for folder in _runs_in(path)])
    named = model or held[0].header.settings.model
    loaded = load_config(config)
    home = None
    if install:
        named, home = asyncio.run(_served(named, loaded))
    found = curve_from(held, named or loaded.defaults.model, margin=margin, off_margin=off_margin)
    if plot is not None:
        from perpend.cli.picture import write_picture
        from perpend.evals.reports.curve_figure import picture

        write_picture(picture(found.curve), plot)
    kept = None if home is None else curves.install(home, found.curve)
    if json:
        print_json({**facts(found), "installed": kept})
        return
    _print(found)
    if kept is not None:
        note(f"kept in {kept}")


def _runs_in(path: Path) -> list[Path]:
    """A run's folder is itself; a folder of runs, as `decide` makes it, is all of them."""
    inside = sorted(place.parent for place in path.glob("*/run.json"))
    return inside if inside and not (path / "run.json").exists() else [path]


async def _served(model: str | None, config: Config) -> tuple[str, Path]:
    """The model's own name here, and PERPEND_HOME. Raises NotFound."""
    from perpend.runtime import Runtime

    async with await Runtime.open(config) as runtime:
        return runtime.models.resolve(model).name, runtime.home


def facts(found: BudgetRuns) -> dict[str, Any]:
    """What `--json` prints."""
    one = found.curve
    most = one.points[-1]
    points = [
        {
            "budget": point.budget,
            "accuracy": point.accuracy,
            "lost": curves.paired_loss(most, point),
            "thinking_tokens": point.thinking_tokens,
            "answer_tokens": point.answer_tokens,
            "in_dip": 0 < point.budget <= one.dip,
            "steps": one.steps(point.budget),
        }
        for point in one.points
    ]
    return {
        "model": one.model,
        "n": one.problems,
        "left_out": found.left_out,
        "points": points,
        "natural_p50": one.natural_p50,
        "natural_p90": one.natural_p90,
        "cut_at_most": found.cut,
        "dip": one.dip,
        "margin": one.margin,
        "off_margin": one.off_margin,
        "source": msgspec.to_builtins(one.source),
        "data": one.data,
    }


def _print(found: BudgetRuns) -> None:
    from rich.table import Table

    one = found.curve
    title = f"{one.model}: {one.problems} problems of {one.source.suite}"
    table = Table("budget", "accuracy", "95 % interval", "thinking", "answer", "", "under load", title=title)
    for point in one.points:
        accuracy = point.accuracy
        table.add_row(
            str(point.budget),
            f"{accuracy.estimate:.3f}",
            f"{accuracy.low:.3f} to {accuracy.high:.3f}",
            f"{point.thinking_tokens:.1f}",
            f"{point.answer_tokens:.1f}",
            "dip" if 0 < point.budget <= one.dip else "",
            "".join(f"→ {step or 'off'} " for step in one.steps(point.budget)[1:]),
        )
    print_table(table)
    print("\n".join(_said(found)))


def _said(found: BudgetRuns) -> list[str]:
    one, most = found.curve, found.curve.points[-1].budget
    said = [
        f"a thought's natural length: {_length(one.natural_p50)} for half of them, {_length(one.natural_p90)} for nine "
        f"of ten ({found.cut:.0%} were cut at {most})",
        f"the dip: {f'nothing is lowered to 1 to {one.dip} thinking tokens' if one.dip else 'none was found'}",
    ]
    if not any(one.steps(point.budget)[1:] for point in one.points):
        said.append("no request is lowered: no smaller budget is surely good enough and takes fewer tokens")
    if not one.covers(most + 1):
        said.append(f"requests for more than {most} tokens aren't lowered: measure a larger budget")
    if one.points[0].budget:
        said.append("no thought at all is no step: measure a budget of 0 where the model can do without")
    if found.left_out:
        said.append(f"{found.left_out} problems got no answer at some budget, and are left out of every one")
    return said


def _length(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"at most {tokens}"
