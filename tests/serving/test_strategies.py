"""Strategies through the gateway, in every dialect: streamed and whole answers agree, candidate by candidate."""

from collections.abc import Callable
from typing import Any

import pytest
from scripted import House, gateway
from scripted_candidates import ROOM, Try, tries
from sdks import DIALECTS, USER, Client, texts
from spine import Spine
from words import WordBackend

from perpend.backends.contract import Backend
from perpend.solve import Gate, Origin, Sink, solve
from perpend.types import Answer, Request

GOLD = {"name": "answer", "gold": "7"}
LATE = Try("7", 60, thinks=2)
FIRST_IS_CUT = (Try("8", 60, thinks=3), Try("7", 0.05, thinks=1), LATE)
FIRST_SAYS_NOTHING = (Try("8", thinks=0), Try("7", 0.05, thinks=1), LATE)
ASKED_ONCE_MORE = Try("8", thinks=0)
FIRST_DIES = (Try("", thinks=3, end="dies"), Try("7", 0.6, thinks=1), LATE, ASKED_ONCE_MORE)


class StrategyHouse(House):
    """Answers each request through a spine of its own: the same script for the streamed and the whole one."""

    def __init__(self, backend: Callable[[], Backend], family: str) -> None:
        super().__init__()
        self._backend = backend
        self._family = family

    async def answer(self, request: Request, sink: Sink | None, gate: Gate | None, origin: Origin) -> Answer:
        spine = Spine(self._backend(), family=self._family)
        return await solve(request, spine.services, sink, gate=gate, origin=origin)


async def asked(
    dialect: str, backend: Callable[[], Backend], family: str = "generic", **own: Any
) -> dict[str, Any]:
    """What it answers whole, having answered the same in a stream."""
    async with gateway(StrategyHouse(backend, family)) as front:
        client = Client(front, **own)
        ask = getattr(client, dialect)
        async with client.openai, client.anthropic:
            whole, streamed = await ask(False, "thinking", USER), await ask(True, "thinking", USER)
    for body in (whole, streamed):
        del body["perpend"]["request_id"]
    assert streamed["perpend"] == whole["perpend"]
    assert streamed["usage"] == whole["usage"]
    assert texts(dialect, streamed) == texts(dialect, whole)
    return whole


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("script", "shown"),
    [(FIRST_IS_CUT, "chosen"), (FIRST_IS_CUT, "first"), (FIRST_DIES, "first"), (FIRST_SAYS_NOTHING, "first")],
)
async def test_the_first_ones_thinking_is_streamed_and_kept(
    dialect: str, script: tuple[Try, ...], shown: str
) -> None:
    spec = {"name": "best_of_n", "n": 3, "stream_candidate": shown}
    whole = await asked(
        dialect, lambda: tries(*script), strategy=spec, verifier=GOLD, max_thinking_tokens=ROOM
    )
    firsts = shown == "first" and script[0].thinks
    assert texts(dialect, whole) == ("hm " * (3 if firsts else 1), "7", [])


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_vote(dialect: str) -> None:
    script = (Try("8", 0.0), Try("7", 0.1), Try("7.0", 0.2))
    spec = {"name": "self_consistency", "n": 3}
    whole = await asked(dialect, lambda: tries(*script), strategy=spec, max_thinking_tokens=ROOM)
    assert texts(dialect, whole)[1] == "7"
    assert whole["perpend"]["plan"]["strategy"] == "self_consistency"
    assert [one["answer"] for one in whole["perpend"]["candidates"]] == ["8", "7", "7.0"]
    assert [one["score"] for one in whole["perpend"]["candidates"]] == pytest.approx([1 / 3, 2 / 3, 2 / 3])


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_composition_is_data(dialect: str) -> None:
    spec = {
        "name": "best_of_n",
        "n": 3,
        "of": {"name": "budget_forcing", "waits": 1},
        "verifier": {"name": "exact", "gold": "w0 w1"},
    }
    whole = await asked(
        dialect, lambda: WordBackend(thought=2, reply=3), "smollm2", strategy=spec, max_thinking_tokens=30
    )
    own = whole["perpend"]
    assert [(one["thinking"], one["answer_tokens"], one["score"]) for one in own["candidates"]] == [
        (4, 3, 0)
    ] * 3
    assert own["usage"]["thinking"] == 12
    assert own["candidates"][0]["verdict"] == {
        "score": 0,
        "passed": False,
        "feedback": "the answer is a different text",
    }


async def test_what_is_wrong_in_a_composition_is_named() -> None:
    async with gateway(StrategyHouse(tries, "generic")) as front:
        body = {"model": "m", "messages": USER, "verifier": GOLD}
        spec = {"name": "best_of_n", "of": {"name": "budget_forcing", "waits": -1}}
        refused = await front.post({**body, "strategy": spec})
        assert refused.status == 400
        assert refused.error["param"] == "strategy.of.waits"
