"""`perpend calibrate`: how much a model thinks at each effort and budget, measured, for the mapping to use."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from perpend.accounting.calibration import Calibration
from perpend.cli.calibrate.options import MeasuringOptions
from perpend.cli.console import note, print_json, print_table
from perpend.cli.options import Budgets, ConfigFile, Json
from perpend.errors import BadRequest
from perpend.types import Effort


def calibrate(
    model: str | None = None,
    /,
    *,
    prompts: Path | None = None,
    efforts: Annotated[tuple[Effort, ...], Parameter(consume_multiple=True)] = (),
    max_thinking_tokens: Budgets = (),
    pace: MeasuringOptions = MeasuringOptions(),
    plot: Path | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Measure how many tokens a model thinks at each effort and each budget, and by how much it overshoots.

    The figures are kept in PERPEND_HOME/calibration and used from then on: a budget in tokens becomes the effort
    that usually takes no more, and an effort has room for nearly all thoughts. Every request is paid for as usual.

    Example: `perpend calibrate tiny --max-thinking-tokens 8 64 --limit 12`

    Parameters
    ----------
    model
        A name of `perpend models list` or under `models` in perpend.toml, or PROVIDER/MODEL.
    prompts
        A file with a prompt on each line; default: word problems, or for tiny what it was trained for.
    efforts
        Those to try; default: all that the model takes.
    max_thinking_tokens
        Thinking tokens to try beside the efforts; default: those of the family's low, medium and high.
    plot
        Draw requested against used tokens into this PNG file (needs the extra `bench`).
    json
        Print an object.
    """
    from perpend.cli.calibrate.measuring import Measuring

    if 0 in max_thinking_tokens:
        raise BadRequest("--max-thinking-tokens must be at least 1", field="--max-thinking-tokens")
    measuring = Measuring(model, prompts, pace)
    calibration, path = asyncio.run(measuring.run(efforts, max_thinking_tokens, config))
    if plot is not None:
        from perpend.cli.calibrate.plot import spec
        from perpend.cli.picture import write_picture

        write_picture(spec(calibration), plot)
    if json:
        print_json(facts(calibration, path))
    else:
        _print(calibration)
        note(f"kept in {path}")


def facts(calibration: Calibration, path: Path) -> dict[str, object]:
    """The object that `--json` prints."""
    points = [
        {
            **msgspec.to_builtins(point),
            "median": point.usual,
            "p90": point.nearly_all,
            "most": max(point.used),
            "overshoot": point.overshoot,
        }
        for point in calibration.points
    ]
    return {
        **msgspec.to_builtins(calibration),
        "points": points,
        "usual": calibration.usual,
        "path": str(path),
    }


def _print(calibration: Calibration) -> None:
    from rich.table import Table

    title = f"{calibration.model}: thinking tokens on {calibration.prompts} prompts"
    table = Table(
        "effort", "budget", "median", "9 of 10", "most", "overshoot", "ended by itself", title=title
    )
    for point in calibration.points:
        budget = "" if point.budget is None else str(point.budget)
        figures = point.usual, point.nearly_all, max(point.used), point.overshoot
        ended = f"{point.ended} of {len(point.used)}"
        table.add_row(point.effort or "", budget, *map(str, figures), ended)
    print_table(table)
