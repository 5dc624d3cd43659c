"""A given thought is the model's own: it thinks on from it within the budget, and answers."""

import pytest
from scripted_candidates import tries
from spine import Spine, request
from words import WordBackend

from perpend.errors import BadRequest
from perpend.types import Request, StrategySpec


def asking(thought: str, thinking: int) -> Request:
    spec = StrategySpec("from_thought", {"thought": thought})
    return request(strategy=spec, max_thinking_tokens=thinking)


async def test_with_no_budget_it_answers_at_once() -> None:
    backend = WordBackend(thought=9, reply=2)
    answer = await Spine(backend).ask(asking("6 × 7 is 42", 0))
    (call,) = backend.calls
    assert call.continuation.startswith("<think>\n6 × 7 is 42\n</think>")
    assert (answer.text, answer.usage.thinking) == ("w0 w1 ", 0)


async def test_with_a_budget_it_thinks_on() -> None:
    backend = WordBackend(thought=9, reply=2)
    answer = await Spine(backend).ask(asking("so ", 3))
    assert backend.calls[0].continuation == "<think>\nso "
    assert (answer.thinking, answer.usage.thinking) == ("so w0 w1 w2 ", 3)


async def test_an_empty_thought_is_a_thought() -> None:
    backend = WordBackend(thought=9, reply=2)
    await Spine(backend).ask(asking("", 0))
    assert backend.calls[0].continuation.startswith("<think>\n\n</think>")


async def test_a_chat_server_is_refused() -> None:
    with pytest.raises(BadRequest, match="as its own"):
        await Spine(tries("42"), family="generic").ask(asking("so", 0))
