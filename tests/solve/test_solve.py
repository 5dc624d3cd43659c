"""The spine: budgets hold to the token, caps to the cent, deadlines with an answer; all is in the ledger."""

import asyncio
import gc
import weakref
from decimal import Decimal
from typing import Any

import pytest
from costs import known
from hypothesis import given
from hypothesis import strategies as st
from spine import PRICED, Spine, request
from words import WordBackend

from perpend.accounting.prices import UNKNOWN
from perpend.backends.contract import Call, CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.errors import BadRequest, CapReached, StoreUnavailable, UpstreamError
from perpend.solve import Control, Origin, solve
from perpend.types import (
    AnswerDelta,
    CallEnded,
    Event,
    Finished,
    Progress,
    Started,
    StrategySpec,
    SummaryDelta,
    ThinkingDelta,
    Usage,
)


async def test_thinking_then_answer_then_the_end() -> None:
    spine = Spine(WordBackend(thought=5, reply=3))
    answer = await spine.ask(request(effort="low"))
    kinds = [type(event) for event in spine.events]
    assert kinds == [Started, *[ThinkingDelta] * 5, *[AnswerDelta] * 3, Finished]
    assert answer.text == "w0 w1 w2 "
    assert (answer.usage.thinking, answer.usage.answer) == (5, 3)
    assert (answer.stop_reason, answer.truncated) == ("stop", False)
    assert spine.row.status == "finished"


async def test_a_request_that_ended_is_gone_without_the_collector() -> None:
    class Listener:
        async def sink(self, batch: list[Event]) -> None: ...

    spine, listener = Spine(WordBackend(thought=5, reply=3)), Listener()
    gone = weakref.ref(listener)
    gc.disable()
    try:
        await solve(request(progress=True), spine.services, listener.sink, origin=Origin("test"))
        del listener
        await asyncio.sleep(0)  # the loop lets go of what it ran last
        assert gone() is None
    finally:
        gc.enable()


@given(
    budget=st.integers(0, 40),
    thought=st.integers(0, 60),
    reply=st.integers(1, 60),
    waits=st.integers(0, 3),
    output=st.none() | st.integers(1, 60),
)
async def test_the_budget_is_never_overshot(
    budget: int, thought: int, reply: int, waits: int, output: int | None
) -> None:
    spine = Spine(WordBackend(thought=thought, reply=reply))
    asked = request(
        max_thinking_tokens=budget,
        max_output_tokens=output,
        strategy=StrategySpec("budget_forcing", {"waits": waits}),
    )
    answer = await spine.ask(asked)
    assert answer.usage.thinking <= answer.budget.effective_thinking_tokens <= budget
    assert answer.text, "the answer always has room"
    if output is not None:
        assert answer.usage.output <= output
    if thought >= budget and answer.budget.lowered_by is None:
        assert answer.usage.thinking == budget


async def test_what_couldnt_be_recorded_isnt_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise StoreUnavailable("the disk is full", retry_after=5)

    backend = WordBackend(thought=5, reply=3)
    spine = Spine(backend)
    monkeypatch.setattr(spine.recorder, "check", full)
    with pytest.raises(StoreUnavailable):
        await spine.ask(request())
    assert backend.calls == []


async def test_no_effort_skips_thinking() -> None:
    backend = WordBackend(thought=5, reply=3)
    answer = await Spine(backend).ask(request(effort="none"))
    assert answer.usage.thinking == 0
    assert [call.phase for call in backend.calls] == ["answering"]
    assert backend.calls[0].continuation == ""


async def test_a_short_thought_is_made_to_wait() -> None:
    backend = WordBackend(thought=3, reply=1)
    asked = request(max_thinking_tokens=20, strategy=StrategySpec("budget_forcing", {"waits": 2}))
    answer = await Spine(backend).ask(asked)
    assert answer.usage.thinking == 9
    assert answer.thinking.count("Wait") == 2


@given(cap=st.decimals(Decimal("0.0004"), Decimal("0.01"), places=6), thought=st.integers(0, 2000))
async def test_the_cap_is_never_passed(cap: Decimal, thought: int) -> None:
    backend = WordBackend(thought=thought, reply=500)
    spine = Spine(backend, price=PRICED)
    if cap < Decimal("0.00046"):  # the prompt and the least answer at these prices
        with pytest.raises(CapReached) as refused:
            await spine.ask(request(max_cost_usd=cap))
        assert refused.value.field == "max_cost_usd"
        assert not backend.calls
        return
    answer = await spine.ask(request(max_cost_usd=cap))
    assert known(answer.cost_usd) <= cap
    assert answer.cost_usd == PRICED.cost(answer.usage) == spine.row.cost_usd
    assert answer.text


async def test_a_cap_bounds_what_a_chat_server_may_generate() -> None:
    backend = ReplayBackend([chat(20, 10)])
    await Spine(backend, family="generic", price=PRICED).ask(request(max_cost_usd=Decimal("0.003")))
    (call,) = backend.calls
    bound = Spine(backend, family="generic").model.input_bound(call.messages)
    assert PRICED.worst_case(bound, call.max_tokens) <= Decimal("0.003")


async def test_a_cap_is_refused_where_no_price_is_known() -> None:
    backend = ReplayBackend([chat(20, 10)])
    spine = Spine(backend, family="generic", price=UNKNOWN)
    with pytest.raises(BadRequest, match="no price of 'm'") as refused:
        await spine.ask(request(max_cost_usd=Decimal(1)))
    assert refused.value.field == "max_cost_usd"
    assert not backend.calls


async def test_a_cost_that_nobody_knows_is_told_as_unknown_everywhere() -> None:
    spine = Spine(ReplayBackend([chat(20, 10)]), family="generic", price=UNKNOWN)
    answer = await spine.ask(request(progress=True))
    assert answer.cost_usd is None
    assert [candidate.cost_usd for candidate in answer.candidates] == [None]
    assert spine.row.cost_usd is None
    told = [event.cost_usd for event in spine.events if isinstance(event, Progress)]
    assert set(told) == {None}


async def test_what_used_nothing_cost_nothing_whatever_the_price() -> None:
    assert UNKNOWN.cost(Usage()) == 0
    assert UNKNOWN.cost(Usage(input=1)) is None


def chat(thinking: int, answer: int) -> list[list[ThinkingDelta | AnswerDelta | CallEnded] | float]:
    said = [ThinkingDelta("t" * 4, 0)] * min(thinking, 3)
    words = [AnswerDelta("word", 0)] * min(answer, 2)
    return [[*said, *words], [CallEnded("stop", Usage(10, 4, thinking, answer), "chat-1")]]


async def test_a_deadline_cuts_thinking_and_leaves_time_for_the_answer() -> None:
    backend = WordBackend(thought=10_000, reply=5, delay_s=0.002)
    answer = await Spine(backend).ask(request(effort="max", deadline_ms=400))
    assert answer.text == "w0 w1 w2 w3 w4 "
    assert (answer.truncated, answer.stop_reason) == (True, "deadline")
    assert answer.elapsed_s < 0.6
    assert backend.streaming == 0


async def test_a_deadline_cuts_a_long_answer_and_keeps_it() -> None:
    backend = WordBackend(thought=3, reply=10_000, delay_s=0.002)
    answer = await Spine(backend).ask(request(effort="low", deadline_ms=200))
    assert answer.text.startswith("w0 w1 ")
    assert (answer.truncated, answer.stop_reason) == (True, "deadline")


async def test_answer_now_ends_the_thinking() -> None:
    control = Control()
    backend = WordBackend(thought=10_000, reply=2, delay_s=0.002)
    asking = asyncio.ensure_future(Spine(backend).ask(request(effort="max"), control))
    await asyncio.sleep(0.1)
    control.answer_now()
    answer = await asking
    assert answer.text == "w0 w1 "
    assert 0 < answer.usage.thinking < 10_000
    assert (answer.truncated, answer.stop_reason) == (True, "answer_now")


async def test_answer_now_is_heard_beside_a_deadline() -> None:
    control = Control()
    backend = WordBackend(thought=10_000, reply=2, delay_s=0.001)
    asking = asyncio.ensure_future(Spine(backend).ask(request(effort="max", deadline_ms=20_000), control))
    await asyncio.sleep(0.1)
    control.answer_now()
    assert (await asyncio.wait_for(asking, 2)).stop_reason == "answer_now"


async def test_a_short_thought_is_summarised_too() -> None:
    spine = Spine(WordBackend(thought=3, reply=4, delay_s=0.001))
    answer = await spine.ask(request(effort="low", visibility="summary"))
    assert answer.summary


async def test_a_cancelled_request_stops_upstream_and_is_in_the_ledger() -> None:
    backend = WordBackend(thought=10_000, reply=2, delay_s=0.002)
    spine = Spine(backend, price=PRICED)
    asking = asyncio.ensure_future(spine.ask(request(effort="max")))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert backend.streaming == 0
    assert (spine.row.status, spine.row.stop_reason) == ("cancelled", "cancelled")
    assert spine.row.thinking > 0
    assert known(spine.row.cost_usd) > 0


async def test_a_dead_upstream_ends_in_what_there_is() -> None:
    dies = [[ThinkingDelta("so ", 1), AnswerDelta("fo", 1)], UpstreamError("gone")]
    spine = Spine(ReplayBackend([dies]), family="generic")
    answer = await spine.ask(request())
    assert answer.text == "fo"
    assert (answer.truncated, answer.stop_reason) == (True, "upstream_error")
    assert (spine.row.status, spine.row.answer) == ("finished", 1)


@pytest.mark.parametrize("family", ["generic", "smollm2"], ids=["watched", "continued"])
async def test_an_upstream_that_dies_while_it_thinks_is_asked_to_answer_from_its_thought(family: str) -> None:
    dies = [[ThinkingDelta("so far ", 2)], UpstreamError("gone")]
    backend = ReplayBackend([dies, chat(0, 2)], supports_prefix=family == "smollm2")
    spine = Spine(backend, family=family)
    answer = await spine.ask(request())
    assert (answer.thinking, answer.text) == ("so far ", "wordword")
    assert (answer.truncated, answer.stop_reason) == (True, "upstream_error")
    assert (spine.row.status, spine.row.thinking) == ("finished", 2)


async def test_an_upstream_that_stays_dead_leaves_the_thought() -> None:
    dies = [[ThinkingDelta("so far ", 2)], UpstreamError("gone")]
    spine = Spine(ReplayBackend([dies, [UpstreamError("still gone")]]), family="generic")
    answer = await spine.ask(request())
    assert (answer.thinking, answer.text, answer.stop_reason) == ("so far ", "", "upstream_error")


async def test_an_upstream_that_gives_nothing_is_an_error_in_the_ledger() -> None:
    spine = Spine(ReplayBackend([[UpstreamError("gone")]]), family="generic")
    with pytest.raises(UpstreamError):
        await spine.ask(request())
    assert (spine.row.status, spine.row.error_code) == ("failed", "upstream_error")


async def test_a_watched_stream_is_cut_at_the_budget_and_answered() -> None:
    thinks_on = [[ThinkingDelta("thought ", 1)] for _ in range(100)]
    backend = ReplayBackend([thinks_on, chat(0, 2)])
    answer = await Spine(backend, family="generic").ask(request(max_thinking_tokens=30))
    assert answer.usage.thinking == 30
    assert answer.text == "wordword"
    first, second = backend.calls
    assert first.thinking_tokens == 30
    assert (second.phase, second.effort) == ("answering", "none")
    assert second.messages[-2].content == "thought " * 30


def thinks_within(first: int, later: int) -> list[list[CallEvent]]:
    """A thought, a part of the answer, another thought, and the rest of it."""
    ended = CallEnded("stop", Usage(10, 0, first + later, 4))
    thoughts: list[list[CallEvent]] = [[ThinkingDelta("hm ", 1)] for _ in range(first + later)]
    word: list[CallEvent] = [AnswerDelta("word", 2)]
    return [*thoughts[:first], word, *thoughts[first:], [*word], [ended]]


@pytest.mark.parametrize(
    ("later", "told"), [(19, ("wordword", 29, "stop")), (100, ("word", 30, "thinking_tokens"))]
)
async def test_a_thought_within_an_answer_counts_against_the_budget(
    later: int, told: tuple[str, int, str]
) -> None:
    spine = Spine(ReplayBackend([thinks_within(10, later)]), family="generic")
    answer = await spine.ask(request(max_thinking_tokens=30))
    assert (answer.text, answer.usage.thinking, answer.stop_reason) == told
    assert answer.truncated == (later == 100)
    assert spine.row.thinking == answer.budget.thinking_tokens_used == told[1]


async def test_so_does_one_in_an_answer_that_goes_on_from_its_thought() -> None:
    thought: list[list[CallEvent]] = [[ThinkingDelta("hm ", 10)], [CallEnded("stop", Usage(10, 0, 10, 0))]]
    backend = ReplayBackend([thought, thinks_within(0, 100)], supports_prefix=True)
    answer = await Spine(backend).ask(request(max_thinking_tokens=30))
    assert (answer.text, answer.usage.thinking, answer.stop_reason) == ("word", 30, "thinking_tokens")


@pytest.mark.parametrize(("begins", "told"), [(1, ("word", "stop")), (9, ("", "thinking_tokens"))])
async def test_an_answer_that_begins_with_a_thought_is_begun_again(
    begins: int, told: tuple[str, str]
) -> None:
    """What it cost is the answer's: the thought was as long as it may be."""
    thought: list[list[CallEvent]] = [[ThinkingDelta("hm ", 30)], [CallEnded("length", Usage(10, 0, 30, 0))]]
    again: list[list[CallEvent]] = [[ThinkingDelta("oh ", 1)], [ThinkingDelta("dear ", 1)]]
    word: list[list[CallEvent]] = [[AnswerDelta("word", 2)], [CallEnded("stop", Usage(10, 0, 0, 2))]]
    backend = ReplayBackend([thought, *[again] * begins, word], supports_prefix=True)
    answer = await Spine(backend).ask(request(max_thinking_tokens=30))
    assert (answer.text, answer.stop_reason) == told
    assert answer.usage.thinking == 30
    assert answer.usage.answer == (3 if begins == 1 else 4)
    assert answer.thinking.startswith("hm oh ")


def thinks_always(*thoughts: int, reply: int = 2) -> ReplayBackend:
    """A server that nothing keeps from thinking so much in each call, before it answers."""

    class Always(ReplayBackend):
        def steers(self, call: Call) -> dict[str, Any]:
            return {}

    def said(thought: int) -> list[list[CallEvent]]:
        answered: list[CallEvent] = [AnswerDelta("word", 1)] * reply
        ended = CallEnded("stop", Usage(10, 0, thought, reply))
        return [*([ThinkingDelta("hm ", 1)] for _ in range(thought)), answered, [ended]]

    return Always([said(thought) for thought in thoughts])


@given(
    budget=st.integers(4, 400),  # of less, no whole token could be kept
    thoughts=st.tuples(st.integers(0, 600), st.integers(0, 600)),
    data=st.data(),
)
async def test_a_model_that_always_thinks_keeps_to_its_budget_in_every_call(
    budget: int, thoughts: tuple[int, int], data: st.DataObject
) -> None:
    family = data.draw(st.sampled_from(["deepseek-r1", "grok-4", "deepseek", "qwq"]))
    answer = await Spine(thinks_always(*thoughts), family=family).ask(request(max_thinking_tokens=budget))
    assert answer.usage.thinking <= budget
    assert answer.budget.thinking_tokens_used == answer.usage.thinking
    if not answer.text:
        assert (answer.truncated, answer.stop_reason) == (True, "thinking_tokens")


async def test_without_any_thinking_left_one_that_always_thinks_is_cut_at_once() -> None:
    spec = StrategySpec("samples", {"n": 4})
    answer = await Spine(thinks_always(*[500] * 9), family="qwq").ask(
        request(max_thinking_tokens=3, strategy=spec)
    )
    assert answer.usage.thinking <= 4 * 2  # a token of each call is seen before it can be cut
    assert answer.truncated


async def test_a_model_that_thinks_again_before_it_answers_has_kept_a_part_of_its_budget_for_that() -> None:
    backend = thinks_always(1000, 20)
    spine = Spine(backend, family="deepseek-r1")
    answer = await spine.ask(request(max_thinking_tokens=200))
    assert (answer.text, answer.usage.thinking) == ("wordword", 150 + 20)
    assert backend.calls[1].thinking_tokens == 50
    assert (answer.truncated, answer.stop_reason) == (False, "stop")


async def test_one_that_was_told_not_to_think_is_watched_too() -> None:
    thinks_on = [[ThinkingDelta("hm ", 1)] for _ in range(10_000)]
    answer = await Spine(ReplayBackend([thinks_on, thinks_on]), family="generic").ask(
        request(max_thinking_tokens=200)
    )
    assert answer.usage.thinking == 200 + 50
    assert (answer.truncated, answer.stop_reason) == (True, "thinking_tokens")


async def test_a_budget_below_the_least_that_its_server_takes_is_watched() -> None:
    backend = ReplayBackend([[[ThinkingDelta("hm ", 1)] for _ in range(900)], chat(0, 2)])
    answer = await Spine(backend, family="gemini-2.5-flash-lite").ask(request(max_thinking_tokens=64))
    assert (answer.usage.thinking, answer.text) == (64, "wordword")


async def test_thinking_that_used_up_all_tokens_is_still_answered() -> None:
    only_thought = [[ThinkingDelta("hm", 1)], [CallEnded("length", Usage(5, 0, 512, 0))]]
    answer = await Spine(ReplayBackend([only_thought, chat(0, 2)]), family="generic").ask(request())
    assert answer.text == "wordword"


async def test_unseen_thinking_that_took_all_tokens_is_told() -> None:
    unseen = [[CallEnded("length", Usage(5, 0, 64 + 4096, 0))]]
    answer = await Spine(ReplayBackend([unseen]), family="grok-4").ask(request(max_thinking_tokens=64))
    assert (answer.text, answer.stop_reason) == ("", "thinking_tokens")
    assert answer.budget.thinking_tokens_used == answer.usage.thinking == 64 + 4096


async def test_what_a_server_takes_beyond_its_limit_is_told_as_an_overdraft() -> None:
    took_more = [[AnswerDelta("so"), CallEnded("length", Usage(9, 0, 0, 70))]]
    spine = Spine(ReplayBackend([took_more]), family="generic", price=PRICED)
    answer = await spine.ask(request(effort="none", max_output_tokens=50))
    over = answer.budget.overdraft
    assert over is not None
    assert (over.thinking_tokens, over.answer_tokens) == (0, 20)
    assert (spine.row.overdraft_tokens, spine.row.overdraft_usd) == (20, over.cost_usd)
    assert (await Spine(WordBackend(thought=5, reply=3)).ask(request(effort="low"))).budget.overdraft is None


async def test_reasoning_tokens_that_the_server_does_not_tell_apart_are_split() -> None:
    recording = [[ThinkingDelta("aaa", 30), AnswerDelta("b", 10)], [CallEnded("stop", Usage(5, 0, 0, 80))]]
    answer = await Spine(ReplayBackend([recording]), family="generic").ask(request())
    assert (answer.usage.thinking, answer.usage.answer) == (60, 20)


async def test_progress_and_summaries_are_told_and_paid_for() -> None:
    spine = Spine(WordBackend(thought=100, reply=4, delay_s=0.001), price=PRICED)
    answer = await spine.ask(request(effort="medium", progress=True, visibility="summary"))
    told = [event for event in spine.events if isinstance(event, Progress)]
    assert told[0].phase == "thinking"
    assert told[-1].phase == "answering"
    summaries = [event.text for event in spine.events if isinstance(event, SummaryDelta)]
    assert "".join(summaries) == answer.summary != ""
    own = sum(candidate.usage.output for candidate in answer.candidates)
    assert answer.usage.output == own
    summary = answer.summaries
    assert summary is not None
    assert (summary.model, summary.off) == ("m", None)
    assert summary.usage.answer > 0
    assert answer.cost_usd == known(PRICED.cost(answer.usage)) + known(summary.cost_usd)
    rows = spine.recorder.rows
    assert [row.strategy for row in rows] == ["single", "summary"]
    assert [row.answer for row in rows] == [answer.usage.answer, summary.usage.answer]
    assert sum(known(row.cost_usd) for row in rows) == answer.cost_usd


@pytest.mark.parametrize(
    ("spec", "error", "field"),
    [
        (StrategySpec("singel"), BadRequest, "strategy"),
        (StrategySpec("budget_forcing", {"wait": 1}), BadRequest, "strategy.wait"),
        (StrategySpec("budget_forcing", {"waits": -1}), BadRequest, "strategy.waits"),
    ],
)
async def test_a_wrong_strategy_is_refused_before_anything_is_spent(
    spec: StrategySpec, error: type[BadRequest], field: str
) -> None:
    backend = WordBackend(thought=1, reply=1)
    with pytest.raises(error) as refused:
        await Spine(backend).ask(request(strategy=spec))
    assert refused.value.field == field
    assert not backend.calls


async def test_a_long_prompt_leaves_less_thinking_and_still_an_answer() -> None:
    spine = Spine(WordBackend(thought=500, reply=500), context=200)
    answer = await spine.ask(request(effort="high"))
    assert answer.budget.lowered_by == "context"
    assert answer.usage.output + answer.usage.input < 232
    assert answer.text
