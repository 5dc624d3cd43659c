"""Measuring how much a model thinks: all prompts at one effort or budget after another."""

import asyncio
import datetime
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from perpend.accounting.calibration import Calibration, CalibrationPoint, save
from perpend.cli.calibrate.options import MeasuringOptions
from perpend.cli.console import note
from perpend.config import load_config
from perpend.errors import BadRequest
from perpend.runtime import Runtime
from perpend.solve import ServedModel
from perpend.types import EFFORTS, Effort, Limits, Message, Request, Sampling

_TINY = "tiny"
_Setting = tuple[Effort | None, int | None]
"""An effort, a budget in tokens, or both."""
_USUAL_EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")


class Measuring:
    """One model, asked all the prompts at one setting after another."""

    def __init__(self, model: str | None, prompts: Path | None, pace: MeasuringOptions) -> None:
        self._model = model
        self._file = prompts
        self._limit = pace.limit
        self._slots = asyncio.Semaphore(pace.parallel)
        self._max_cost = pace.max_cost

    async def run(
        self, efforts: tuple[Effort, ...], budgets: tuple[int, ...], config: Path | None
    ) -> tuple[Calibration, Path]:
        """Measure, save, and return the calibration and its file. Raises BadRequest where there is no setting to try
        or no prompt, PerpendError that a request meets.
        """
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
    """The settings to try. Families that enforce budgets take an effort as a budget; others take it as a word, and are
    tried with budgets too.
    """
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
        budgets = budgets or tuple(dict.fromkeys(ladder[word] for word in _USUAL_EFFORTS if ladder[word]))
    for tokens in budgets:
        yield None, tokens


def _cap(served: ServedModel, budget: int | None) -> int:
    """The thinking tokens to allow: an effort gets those of the family's largest effort, so that it's seldom cut."""
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


def _line(point: CalibrationPoint) -> str:
    setting = point.effort or f"{point.budget} tokens"
    return f"{setting}: {point.usual} usually, {max(point.used)} at most"
