"""`perpend calibrate`: how much a model thinks at each effort and budget, measured, for the mapping to use."""

import asyncio
import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from perpend.accounting.calibration import Calibration, CalibrationPoint, save
from perpend.cli.console import note, print_json
from perpend.cli.option_groups import PaceOptions
from perpend.cli.options import Budgets, ConfigFile, Count, Dollars, Json
from perpend.cli.store import print_table
from perpend.config import load_config
from perpend.errors import BadRequest
from perpend.runtime import Runtime
from perpend.solve import ServedModel
from perpend.types import EFFORTS, Effort, Limits, Message, Request, Sampling

_TINY = "tiny"
_Setting = tuple[Effort | None, int | None]
"""An effort, a budget in tokens, or both."""
_BESIDE: tuple[Effort, ...] = ("low", "medium", "high")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CalibratePaceOptions(PaceOptions):
    """How many prompts are asked, how fast, and at what price."""

    limit: Count = 12
    """Use so many prompts at most."""
    parallel: Count = 2
    """Ask so many at a time."""
    max_cost: Dollars = None
    """US dollars that each request may cost."""


def calibrate(
    model: str | None = None,
    /,
    *,
    prompts: Path | None = None,
    efforts: Annotated[tuple[Effort, ...], Parameter(consume_multiple=True)] = (),
    max_thinking_tokens: Budgets = (),
    pace: CalibratePaceOptions = CalibratePaceOptions(),
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
    if 0 in max_thinking_tokens:
        raise BadRequest("--max-thinking-tokens must be at least 1", field="--max-thinking-tokens")
    measuring = Measuring(model, prompts, pace)
    calibration, path = asyncio.run(measuring.run(efforts, max_thinking_tokens, config))
    if plot is not None:
        from perpend.cli.calibrate.plot import draw

        draw(calibration, plot)
    if json:
        print_json(facts(calibration, path))
    else:
        _print(calibration)
        note(f"kept in {path}")


class Measuring:
    """One model, asked all the prompts at one setting after another."""

    def __init__(self, model: str | None, prompts: Path | None, pace: CalibratePaceOptions) -> None:
        self._model = model
        self._file = prompts
        self._limit = pace.limit
        self._slots = asyncio.Semaphore(pace.parallel)
        self._max_cost = pace.max_cost

    async def run(
        self, efforts: tuple[Effort, ...], budgets: tuple[int, ...], config: Path | None
    ) -> tuple[Calibration, Path]:
        async with await Runtime.open(load_config(config)) as runtime:
            served = runtime.models.resolve(self._model)
            prompts = _prompts(self._file, served.family.name)[: self._limit]
            settings = list(_settings(served, efforts or EFFORTS, budgets))
            if not settings:
                raise BadRequest(
                    f"nothing to try: {served.name!r} takes none of these efforts, and no budgets are named",
                    hint=f"see `perpend models show {served.name}`",
                    field="--efforts",
                )
            await runtime.prepare(self._model)
            points: list[CalibrationPoint] = []
            for effort, budget in settings:
                points.append(await self._point(runtime, prompts, effort, budget, _cap(served, budget)))
                note(_line(points[-1]))
            calibration = Calibration(
                model=served.name,
                family=served.family.name,
                measured=datetime.datetime.now(datetime.UTC).replace(microsecond=0),
                prompts=len(prompts),
                points=tuple(points),
            )
            return calibration, save(runtime.home, calibration)

    async def _point(
        self, runtime: Runtime, prompts: list[str], effort: Effort | None, budget: int | None, cap: int
    ) -> CalibrationPoint:
        async def ask(index: int, prompt: str) -> int:
            request = Request(
                messages=(Message("user", prompt),),
                model=self._model,
                effort=effort,
                limits=Limits(max_thinking_tokens=cap, max_cost_usd=self._max_cost),
                sampling=Sampling(seed=index),
            )
            async with self._slots:
                answer = await runtime.solve(request, source="calibrate")
            return answer.budget.thinking_tokens_used

        used = await asyncio.gather(*[ask(index, prompt) for index, prompt in enumerate(prompts)])
        return CalibrationPoint(
            effort=effort, budget=budget, used=tuple(used), ended=sum(count < cap for count in used)
        )


def _settings(
    served: ServedModel, efforts: tuple[Effort, ...], budgets: tuple[int, ...]
) -> Iterator[_Setting]:
    """Efforts are budgets where budgets are kept; elsewhere they are words, and budgets are tried beside them."""
    ladder = served.effort_tokens
    family = served.family
    if family.budget in ("exact", "native_hard", "native_soft"):
        for effort in EFFORTS:
            if ladder[effort] and effort in efforts:
                yield effort, ladder[effort]
    else:
        for effort in EFFORTS:
            if (
                effort != "none"
                and effort in efforts
                and (effort in family.efforts or effort in family.effort_words)
            ):
                yield effort, None
        budgets = budgets or tuple(dict.fromkeys(ladder[word] for word in _BESIDE if ladder[word]))
    for tokens in budgets:
        yield None, tokens


def _cap(served: ServedModel, budget: int | None) -> int:
    """An effort is measured with all the room that the family's largest has, so that it is seldom cut."""
    return max(served.effort_tokens.values()) if budget is None else budget


def _prompts(file: Path | None, family: str) -> list[str]:
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadRequest(f"{file} can't be read: {error}", field="--prompts") from error
    elif family == _TINY:
        from perpend.data.tasks import fresh, kinds

        drawn = [fresh(1, name, 4) for name in kinds.names()]
        lines = [problem.text for problems in zip(*drawn, strict=True) for problem in problems]
    else:
        problems = files("perpend.data").joinpath("word_problems.txt")
        lines = problems.read_text(encoding="utf-8").splitlines()
    prompts = [line for line in lines if line.strip()]
    if not prompts:
        raise BadRequest(f"{file} holds no prompt", field="--prompts")
    return prompts


def facts(calibration: Calibration, path: Path) -> dict[str, object]:
    """What `--json` prints."""
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


def _line(point: CalibrationPoint) -> str:
    asked = point.effort or f"{point.budget} tokens"
    return f"{asked}: {point.usual} usually, {max(point.used)} at most"


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
