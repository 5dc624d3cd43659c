"""A gate lowers what was prepared, never raises it, and is told what was spent however a request ends."""

import datetime
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal

import pytest
from spine import PRICED, Spine, request
from words import WordBackend

from perpend.accounting.calibration import Calibration, CalibrationPoint
from perpend.accounting.ledger import Scope
from perpend.backends.contract import Call, CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.errors import CapReached, Overloaded, UpstreamError
from perpend.solve import Origin, Prepared, lowered, solve
from perpend.types import Answer, AnswerDelta, CallEnded, Request, ThinkingDelta


class LoweringGate:
    """Lowers the thinking of every request; `usd` is its cap."""

    def __init__(self, thinking: int | None = None, usd: Decimal | None = None) -> None:
        self.thinking = thinking
        self.usd = usd
        self.spent: list[Scope] = []

    async def enter(self, prepared: Prepared) -> Prepared:
        return lowered(prepared, "load", usd=self.usd)

    async def admit(self, prepared: Prepared) -> Prepared:
        return lowered(prepared, "load", thinking=self.thinking)

    def leave(self, spent: Scope) -> None:
        self.spent.append(spent)


async def ask(spine: Spine, gate: LoweringGate, asked: Request) -> Answer:
    return await solve(asked, spine.services, gate=gate, origin=Origin("test"))


async def test_lowered_thinking_holds_and_is_told() -> None:
    gate = LoweringGate(thinking=7)
    answer = await ask(Spine(WordBackend(thought=50, reply=3)), gate, request(max_thinking_tokens=40))
    assert answer.usage.thinking == 7
    assert answer.budget.requested_thinking_tokens == 40
    assert (answer.budget.effective_thinking_tokens, answer.budget.lowered_by) == (7, "load")
    assert answer.plan.reason.endswith("thinking lowered from 40 to 7 tokens: load")
    assert gate.spent[0].usage == answer.usage


@pytest.mark.parametrize("limit", [40, 200])
async def test_what_is_lower_already_stays(limit: int) -> None:
    answer = await ask(
        Spine(WordBackend(thought=30, reply=3)), LoweringGate(thinking=limit), request(max_thinking_tokens=40)
    )
    assert (answer.budget.effective_thinking_tokens, answer.budget.lowered_by) == (40, None)
    assert "lowered" not in answer.plan.reason


async def test_lowered_to_nothing_it_answers_without_a_thought() -> None:
    answer = await ask(Spine(WordBackend(thought=30, reply=3)), LoweringGate(0), request(effort="high"))
    assert (answer.usage.thinking, answer.text) == (0, "w0 w1 w2 ")
    assert (answer.plan.effort, answer.plan.requested_effort) == ("none", "high")


async def test_who_takes_efforts_alone_gets_one_that_keeps_to_it() -> None:
    backend = ReplayBackend([[[ThinkingDelta("hm", 2)], [AnswerDelta("ok")], [CallEnded("stop")]]])
    spine = Spine(backend, family="o3")
    points = (
        CalibrationPoint(effort="low", used=(400,)),
        CalibrationPoint(effort="medium", used=(2000,)),
        CalibrationPoint(effort="high", used=(9000,)),
    )
    when = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
    measured = Calibration(model="m", family="o3", measured=when, prompts=1, points=points)
    spine.model = replace(spine.model, calibration=measured)
    answer = await ask(spine, LoweringGate(2500), request(effort="high"))
    assert answer.plan.effort == backend.calls[0].effort == "medium"
    assert answer.plan.requested_effort == "high"


async def test_dollars_hold_over_answer_and_summaries() -> None:
    cap = Decimal("0.001")
    gate = LoweringGate(usd=cap)
    spine = Spine(WordBackend(thought=500, reply=3), price=PRICED)
    answer = await ask(spine, gate, request(max_thinking_tokens=400, visibility="summary"))
    assert answer.budget.lowered_by == "load"
    assert answer.cost_usd is not None
    assert gate.spent[0].spent.usd == answer.cost_usd <= cap


async def test_dollars_that_pay_for_no_answer_refuse_it_unspent() -> None:
    gate = LoweringGate(usd=Decimal("0.0000001"))
    with pytest.raises(CapReached):
        await ask(Spine(WordBackend(thought=5, reply=3), price=PRICED), gate, request())
    assert gate.spent == []


async def test_who_is_refused_at_the_gate_spends_nothing() -> None:
    class Closed(LoweringGate):
        async def enter(self, prepared: Prepared) -> Prepared:
            raise Overloaded("closed")

    spine, gate = Spine(WordBackend(thought=5, reply=3)), Closed()
    with pytest.raises(Overloaded):
        await ask(spine, gate, request())
    assert (gate.spent, spine.recorder.rows) == ([], [])


async def test_the_gate_is_left_by_a_request_that_fails_too() -> None:
    class Broken(WordBackend):
        async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
            raise UpstreamError("broken")
            yield []

    gate = LoweringGate()
    with pytest.raises(UpstreamError):
        await ask(Spine(Broken(thought=5, reply=3)), gate, request())
    assert len(gate.spent) == 1
