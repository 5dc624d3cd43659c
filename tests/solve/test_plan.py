"""A plan says how much effort, and why; where a server takes efforts only, a budget becomes one."""

import datetime
from dataclasses import replace

import pytest
from spine import Spine, request

from perpend.accounting.calibration import Calibration, Point
from perpend.backends.replay import ReplayBackend
from perpend.types import AnswerDelta, CallEnded, Effort, SummaryDelta, ThinkingDelta

POINTS = (
    Point(effort="low", used=(300, 400, 500)),
    Point(effort="medium", used=(2000, 2500)),
    Point(effort="high", used=(9000, 20_000)),
)


def spine(family: str, *, measured: bool = False) -> tuple[Spine, ReplayBackend]:
    backend = ReplayBackend([[[ThinkingDelta("hm", 2)], [AnswerDelta("ok")], [CallEnded("stop")]]])
    made = Spine(backend, family=family)
    if measured:
        when = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
        calibration = Calibration(model="m", family=family, measured=when, prompts=3, points=POINTS)
        made.model = replace(made.model, calibration=calibration)
    return made, backend


@pytest.mark.parametrize(("tokens", "effort"), [(0, "none"), (50, "low"), (2300, "medium"), (60_000, "high")])
async def test_a_budget_becomes_the_measured_effort(tokens: int, effort: Effort) -> None:
    made, backend = spine("o3", measured=True)
    answer = await made.ask(request(max_thinking_tokens=tokens))
    assert answer.plan.effort == backend.calls[0].effort == effort
    assert answer.budget.requested_thinking_tokens == tokens


@pytest.mark.parametrize(("tokens", "effort"), [(50, "low"), (5000, "medium"), (60_000, "high")])
async def test_unmeasured_it_goes_by_the_familys_row(tokens: int, effort: Effort) -> None:
    made, _ = spine("o3")
    answer = await made.ask(request(max_thinking_tokens=tokens))
    assert answer.plan.effort == effort
    assert f"which {effort} effort keeps to" in answer.plan.reason


async def test_an_effort_that_was_asked_for_stays() -> None:
    made, backend = spine("o3", measured=True)
    await made.ask(request(max_thinking_tokens=50, effort="high"))
    assert backend.calls[0].effort == "high"


async def test_where_budgets_are_kept_the_effort_isnt_asked() -> None:
    made, _ = spine("vllm-budget", measured=True)
    answer = await made.ask(request(max_thinking_tokens=50))
    assert answer.plan.effort == "medium"


async def test_a_model_that_cant_summarise_isnt_asked_to() -> None:
    backend = ReplayBackend(
        [[[ThinkingDelta("hm " * 20, 40)], [CallEnded("stop")]], [[AnswerDelta("ok")], [CallEnded("stop")]]],
        continues=True,
    )
    made = Spine(backend, family="tiny")
    answer = await made.ask(request(effort="high", visibility="summary"))
    assert answer.text == "ok"
    assert answer.summary == ""
    assert not any(isinstance(event, SummaryDelta) for event in made.events)
    assert len(backend.calls) == 2
