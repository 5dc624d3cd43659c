"""A conversation that may be shortened fits the context: whole turns go first, from the oldest on."""

import pytest
from spine import Spine, request
from words import WordBackend

from perpend.errors import PromptTooLong
from perpend.solve.truncate import truncated
from perpend.types import Message, Text, ToolResult, ToolUse

SYSTEM = Message("system", "be brief")


def long(role: str, name: str) -> Message:
    return Message(role, " ".join([name] * 40))  # pyright: ignore[reportArgumentType] -- a role


def turn(name: str) -> tuple[Message, ...]:
    use = (Text(" ".join([name] * 30)), ToolUse(name, "add", "{}"))
    return long("user", name), Message("assistant", use), Message("tool", (ToolResult(name, "5"),))


def spine(context: int) -> Spine:
    return Spine(WordBackend(thought=2, reply=2), context=context)


async def test_the_oldest_turns_go_and_the_answer_names_it() -> None:
    messages = (SYSTEM, *turn("a"), *turn("b"), *turn("c"), long("user", "d"))
    words = WordBackend(thought=2, reply=2)
    house = Spine(words, context=200)
    answer = await house.ask(request(messages=messages, auto_truncate=True, effort="none"))
    (call,) = words.calls
    assert call.messages == (SYSTEM, *turn("c"), long("user", "d"))
    assert answer.ignored == ("the 6 oldest messages",)
    with pytest.raises(PromptTooLong):
        await house.ask(request(messages=messages, effort="none"))


async def test_in_one_long_turn_the_question_stays_and_calls_go_with_their_results() -> None:
    said = (SYSTEM, *turn("a"), *turn("b")[1:], *turn("c")[1:])
    short = await truncated(request(messages=said), spine(120).model)
    assert short.messages == (SYSTEM, said[1], *turn("c")[1:])
    least = await truncated(request(messages=said), spine(20).model)
    assert least.messages == short.messages


async def test_what_fits_is_left_as_it_is() -> None:
    asked = request(messages=(SYSTEM, *turn("a"), long("user", "b")))
    assert await truncated(asked, spine(4000).model) is asked
    assert await truncated(asked, Spine(WordBackend(thought=2, reply=2)).model) is asked
