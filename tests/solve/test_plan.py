"""A plan says how much effort, and why; where a server takes efforts only, a budget becomes one."""

import datetime
from dataclasses import replace
from typing import Any

import pytest
from spine import Spine, request

from perpend.accounting.calibration import Calibration, CalibrationPoint
from perpend.backends.contract import Call
from perpend.backends.replay import ReplayBackend
from perpend.types import AnswerDelta, CallEnded, Effort, OutputSpec, SummaryDelta, ThinkingDelta, Tool

POINTS = (
    CalibrationPoint(effort="low", used=(300, 400, 500)),
    CalibrationPoint(effort="medium", used=(2000, 2500)),
    CalibrationPoint(effort="high", used=(9000, 20_000)),
)


def spine(family: str, *, measured: bool = False) -> tuple[Spine, ReplayBackend]:
    backend = ReplayBackend([[[ThinkingDelta("hm", 2)], [AnswerDelta("ok")], [CallEnded("stop")]]])
    made = Spine(backend, family=family)
    if measured:
        when = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
        calibration = Calibration(model="m", family=family, measured=when, prompts=3, points=POINTS)
        made.model = replace(made.model, calibration=calibration)
    return made, backend


@pytest.mark.parametrize(("tokens", "effort"), [(0, "low"), (50, "low"), (2300, "medium"), (60_000, "high")])
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


@pytest.mark.parametrize(
    ("family", "effort", "tokens", "goes_as", "requested", "effective", "lowered_by"),
    [
        ("o3", "max", None, "high", 65_536, 65_536, None),
        ("o3", "none", None, "low", 0, 1024, None),
        ("o3", None, 0, "low", 0, 1024, None),
        ("deepseek-r1", "none", None, "minimal", 0, 512, None),
        ("claude", None, 2048, "none", 2048, 0, "model"),
        ("claude", "high", None, "none", 0, 0, None),
        ("claude-extended", None, 100_000, "medium", 100_000, 64_000, "model"),
        ("claude-extended", "none", 50, "none", 50, 0, "effort"),
        ("generic", "max", None, "high", 32_768, 32_768, None),
        ("generic", None, 0, "none", 0, 0, None),
    ],
)
async def test_a_plan_tells_what_a_model_makes_of_what_is_asked(
    family: str,
    effort: Effort | None,
    tokens: int | None,
    goes_as: Effort,
    requested: int,
    effective: int,
    lowered_by: str | None,
) -> None:
    made, backend = spine(family)
    answer = await made.ask(request(effort=effort, max_thinking_tokens=tokens))
    budget, plan = answer.budget, answer.plan
    assert (plan.requested_effort, plan.effort) == (effort, goes_as)
    assert (budget.requested_thinking_tokens, budget.effective_thinking_tokens) == (requested, effective)
    assert budget.lowered_by == lowered_by
    assert backend.calls[0].thinking_tokens == effective
    assert budget.sent == backend.steers(backend.calls[0])
    if goes_as != (effort or "medium") and lowered_by is None and tokens is None and family != "claude":
        assert f"{effort} goes as {goes_as}" in plan.reason


async def test_thinking_that_nobody_sees_can_only_be_held_with_the_answer() -> None:
    made, _ = spine("grok-4")
    assert "only held together" in (await made.ask(request(max_thinking_tokens=64))).plan.reason


async def test_thinking_that_a_vendor_takes_nothing_of_is_no_budget() -> None:
    """As where tools are forced, which Claude can't think before."""

    class Forced(ReplayBackend):
        def steers(self, call: Call) -> dict[str, Any]:
            return {"thinking": {"type": "disabled"}} if call.output_spec.tools else super().steers(call)

    made = Spine(Forced([[[AnswerDelta("ok")], [CallEnded("stop")]]]), family="claude-extended")
    tool = Tool(name="f")
    answer = await made.ask(
        request(max_thinking_tokens=2048, output_spec=OutputSpec(tools=(tool,), tool_choice="required"))
    )
    budget = answer.budget
    assert budget.sent == {"thinking": {"type": "disabled"}}
    assert (budget.requested_thinking_tokens, budget.effective_thinking_tokens) == (2048, 0)
    assert budget.lowered_by == "model"


async def test_where_budgets_are_kept_the_effort_isnt_asked() -> None:
    made, _ = spine("vllm-budget", measured=True)
    answer = await made.ask(request(max_thinking_tokens=50))
    assert answer.plan.effort == "medium"


async def test_a_model_that_cant_summarise_isnt_asked_to() -> None:
    backend = ReplayBackend(
        [[[ThinkingDelta("hm " * 20, 40)], [CallEnded("stop")]], [[AnswerDelta("ok")], [CallEnded("stop")]]],
        supports_prefix=True,
    )
    made = Spine(backend, family="tiny")
    answer = await made.ask(request(effort="high", visibility="summary"))
    assert answer.text == "ok"
    assert answer.summary == ""
    assert not any(isinstance(event, SummaryDelta) for event in made.events)
    assert len(backend.calls) == 2
