"""A gateway is asked as its clients ask it, and its answer comes back whole."""

from decimal import Decimal

import pytest
from scripted import House, Keys, answer, gateway

from perpend.errors import Unauthenticated, UpstreamError, UpstreamOverloaded
from perpend.evals.runs.log import SampleLog
from perpend.evals.runs.targets import Gateway, refusal
from perpend.types import Limits, Message, Request, Sampling, StrategySpec, VerifierSpec

REQUEST = Request(
    messages=(Message("user", "What is 6 × 7?"),),
    model="small",
    effort="low",
    limits=Limits(max_thinking_tokens=64, max_cost_usd=Decimal("0.0100")),
    sampling=Sampling(temperature=0.5, seed=7),
    strategy=StrategySpec("self_consistency", {"n": 4}, VerifierSpec("math")),
)


async def test_the_gateway_is_asked_the_same_request() -> None:
    house = House()
    async with gateway(house) as front:
        target = Gateway(f"http://127.0.0.1:{front.port}/v1")
        try:
            found = await target.answer(REQUEST, SampleLog())
        finally:
            await target.aclose()
    assert house.requests == [REQUEST]
    given = answer()
    assert (found.text, found.thinking, found.usage) == (given.text, given.thinking, given.usage)
    assert (found.cost_usd, found.budget, found.plan) == (given.cost_usd, given.budget, given.plan)
    assert found.candidates[0].score == given.candidates[0].score


async def test_a_key_that_is_missing_is_told() -> None:
    async with gateway(House(), Keys(secret="k")) as front:
        target = Gateway(f"http://127.0.0.1:{front.port}/v1")
        with pytest.raises(Unauthenticated):
            await target.answer(REQUEST, SampleLog())
        await target.aclose()


async def test_nobody_there_is_told() -> None:
    target = Gateway("http://127.0.0.1:9/v1")
    with pytest.raises(UpstreamError, match=r"127\.0\.0\.1:9"):
        await target.answer(REQUEST, SampleLog())
    await target.aclose()


def test_a_busy_gateway_is_told_from_one_that_failed() -> None:
    assert isinstance(refusal(429, b'{"error": {"message": "later"}}'), UpstreamOverloaded)
    assert refusal(500, b"<html>").message == "HTTP 500"
