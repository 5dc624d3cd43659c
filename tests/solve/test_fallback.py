"""When a model's upstream fails: who goes on, from where, and that nobody pays twice or too much."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from costs import known
from spine import FREE, PRICED, Spine, request
from words import WordBackend

from perpend.accounting.estimates import Speed
from perpend.accounting.prices import UNKNOWN, Price
from perpend.backends.contract import Backend
from perpend.backends.replay import Recording, ReplayBackend
from perpend.config.schema import PriceConfig
from perpend.deployments.pool import Deployment, Deployments
from perpend.errors import (
    AccountRefused,
    ContextTooLong,
    EngineError,
    NotFound,
    PerpendError,
    RateLimited,
    Rejected,
    UpstreamError,
)
from perpend.families.family import family_named
from perpend.solve import ServedModel
from perpend.types import AnswerDelta, CallEnded, ThinkingDelta, Usage

DEAR = Price.from_config(PriceConfig(input=Decimal(200), output=Decimal(1000)))
DIES: Recording = [[ThinkingDelta("so far ", 2)], UpstreamError("gone")]
ANSWERS: Recording = [[AnswerDelta("four", 1)], [CallEnded("stop", Usage(10, 0, 0, 1), "b-1")]]


def refused(kind: type[UpstreamError] = UpstreamError) -> Recording:
    return [kind("no", billed=False)]


def spine(
    first: Backend,
    *others: Backend,
    family: str = "generic",
    prices: tuple[Price, ...] = (),
    **changes: object,
) -> Spine:
    """`m` falls back to `m1`, then to `m2`, …"""
    front = Spine(first, family=family, price=prices[0] if prices else FREE)
    row = family_named(family)
    names = tuple(f"m{n}" for n in range(1, len(others) + 1))
    served: dict[str | None, ServedModel] = {
        name: ServedModel(
            name=name,
            provider=f"provider of {name}",
            upstream_name=name,
            family=row if backend.supports_prefix else family_named("generic"),
            backend=backend,
            price=prices[number] if prices else FREE,
            speed=Speed(),
            effort_tokens=row.effort,
            answer_tokens=row.answer_tokens,
            context=None,
        )
        for number, (name, backend) in enumerate(zip(names, others, strict=True), start=1)
    }
    front.model = replace(front.model, fallbacks=names, **changes)  # pyright: ignore[reportArgumentType]

    def resolve(name: str | None) -> ServedModel:
        if name in served:
            return served[name]
        if name is None or name == "m":
            return front.model
        raise NotFound(f"unknown model {name!r}")

    front.services = replace(front.services, resolve=resolve)
    return front


@pytest.mark.parametrize(
    "failure",
    [*map(refused, (UpstreamError, RateLimited, AccountRefused, ContextTooLong)), [UpstreamError("silence")]],
)
async def test_a_fallback_answers_and_the_ledger_names_it(failure: Recording) -> None:
    front = spine(ReplayBackend([failure]), ReplayBackend([ANSWERS]))
    answer = await front.ask(request())
    assert (answer.text, answer.truncated, answer.model, answer.plan.model) == ("four", False, "m1", "m")
    assert (front.row.model, front.row.provider, front.row.status) == ("m1", "provider of m1", "finished")


async def test_what_no_upstream_can_answer_goes_to_no_fallback() -> None:
    never = ReplayBackend([])
    with pytest.raises(Rejected):
        await spine(ReplayBackend([refused(Rejected)]), never).ask(request())
    assert not never.calls


async def test_when_all_fail_the_error_says_what_was_tried() -> None:
    front = spine(ReplayBackend([refused()]), ReplayBackend([[EngineError("won't start")]]))
    with pytest.raises(PerpendError, match="m: no; then m1: won't start"):
        await front.ask(request())
    assert (front.row.status, front.row.error_code) == ("failed", "engine_error")


async def test_a_refused_call_costs_nothing_and_one_that_may_be_paid_for_is_booked() -> None:
    free = spine(ReplayBackend([refused()]), ReplayBackend([ANSWERS]), prices=(PRICED, PRICED))
    assert (await free.ask(request())).usage == Usage(10, 0, 0, 1)
    silent: Recording = [UpstreamError("silence")]
    paid = spine(ReplayBackend([silent]), ReplayBackend([ANSWERS]), prices=(PRICED, PRICED))
    answer = await paid.ask(request())
    assert answer.usage.input > 10
    assert answer.cost_usd == PRICED.cost(answer.usage) == paid.row.cost_usd


async def test_a_thought_that_died_is_thought_on_where_the_wire_continues() -> None:
    words = WordBackend(thought=3, reply=2)
    front = spine(ReplayBackend([DIES], supports_prefix=True), words, family="smollm2")
    answer = await front.ask(request(max_thinking_tokens=10))
    assert answer.thinking == "so far w0 w1 w2 "
    assert (answer.text, answer.truncated, answer.usage.thinking) == ("w0 w1 ", False, 5)
    thinking = words.calls[0]
    assert thinking.continuation.endswith("so far ")
    assert thinking.max_tokens == 8, "what is left of the budget"


async def test_a_thought_that_died_is_answered_from_where_it_does_not() -> None:
    other = ReplayBackend([ANSWERS])
    answer = await spine(ReplayBackend([DIES]), other).ask(request())
    assert (answer.thinking, answer.text) == ("so far ", "four")
    assert (answer.truncated, answer.stop_reason, answer.model) == (True, "upstream_error", "m1")
    (call,) = other.calls
    assert (call.model, call.phase, call.messages[-2].text) == ("m1", "answering", "so far ")


async def test_an_answer_that_died_is_kept_and_not_written_again() -> None:
    never = ReplayBackend([])
    dies: Recording = [[ThinkingDelta("so ", 1), AnswerDelta("fo", 1)], UpstreamError("gone")]
    answer = await spine(ReplayBackend([dies]), never).ask(request())
    assert (answer.text, answer.stop_reason) == ("fo", "upstream_error")
    assert not never.calls


async def test_prices_are_those_of_who_was_asked() -> None:
    front = spine(ReplayBackend([DIES]), ReplayBackend([ANSWERS]), prices=(PRICED, DEAR))
    answer = await front.ask(request())
    first = Usage(answer.usage.input - 10, 0, 2, 0)
    both = known(PRICED.cost(first)) + known(DEAR.cost(Usage(10, 0, 0, 1)))
    assert answer.cost_usd == both == front.row.cost_usd


@pytest.mark.parametrize("price", [DEAR, UNKNOWN], ids=["too dear", "not known"])
async def test_a_fallback_that_the_cap_cannot_pay_is_passed_over(price: Price) -> None:
    never, last = ReplayBackend([]), ReplayBackend([ANSWERS])
    front = spine(ReplayBackend([refused()]), never, last, prices=(PRICED, price, PRICED))
    cap = Decimal("0.01")
    answer = await front.ask(request(max_cost_usd=cap))
    assert (answer.text, answer.model) == ("four", "m2")
    assert known(answer.cost_usd) <= cap
    assert not never.calls


async def test_a_deadline_holds_over_all_that_is_tried() -> None:
    slow: Recording = [0.5, UpstreamError("gone")]
    front = spine(*(ReplayBackend([slow, slow]) for _ in range(3)))
    began = asyncio.get_running_loop().time()
    with pytest.raises(PerpendError):
        await front.ask(request(deadline_ms=300))
    assert asyncio.get_running_loop().time() - began < 0.45


async def test_a_model_s_own_other_deployment_is_its_first_fallback() -> None:
    """No other model, no other price: the thought goes on at the next place."""
    dies = ReplayBackend([DIES], supports_prefix=True)
    lives = ReplayBackend(
        [[[ThinkingDelta("on", 1)], [CallEnded("stop", Usage(9, 0, 1, 0))]], ANSWERS, ANSWERS],
        supports_prefix=True,
    )
    places = [
        Deployment("dies", dies, model="m", weight=1e9),
        Deployment("lives", lives, model="m"),
    ]
    front = spine(Deployments(places), family="smollm2")
    front.model = replace(front.model, fallbacks=("m",))
    answer = await front.ask(request(max_thinking_tokens=20))
    assert (answer.thinking, answer.text, answer.truncated) == ("so far on", "four", False)
    assert front.row.provider == "lives"


async def test_an_upstream_that_forgets_its_limit_is_cut() -> None:
    endless: Recording = [[AnswerDelta("on and on ", 100)] for _ in range(100_000)]
    front = spine(ReplayBackend([endless]))
    answer = await front.ask(request(max_output_tokens=50, effort="none"))
    assert (answer.truncated, answer.stop_reason) == (True, "answer_tokens")
    assert answer.usage.answer < 500
