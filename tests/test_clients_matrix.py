"""The clients' matrix tells a fault at either end: what didn't reach the model, and what the client didn't show."""

from typing import Any

import pytest
from benchmarks.clients.cells import CELLS
from benchmarks.clients.matrix import answered
from benchmarks.clients.script import JSON, Call, Refusal, reply

CELL = {cell.name: cell for cell in CELLS}
ADD: JSON = {
    "type": "function",
    "function": {"name": "add", "parameters": {"properties": {"a": {}, "b": {}}}},
}


def user(text: str) -> JSON:
    return {"role": "user", "content": text}


def said(*messages: JSON, **body: Any) -> Any:
    return reply({"messages": list(messages), **body})


def test_a_first_turn_that_got_lost_is_told() -> None:
    first, second = user("Remember 42. (cue: remember)"), user("Which? (cue: recall)")
    assert said(first, {"role": "assistant", "content": "Noted."}, second) == "It was 42."
    assert said(second).startswith("FAULT: the first turn")


def test_a_tool_is_called_and_its_result_has_to_be_that_calls() -> None:
    asked = user("Add 2 and 3. (cue: add)")
    assert said(asked, tools=[ADD]) == Call("add", {"a": 2, "b": 3})
    call = {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": "{}"}}]}
    assert (
        said(asked, call, {"role": "tool", "tool_call_id": "c1", "content": "5"}, tools=[ADD])
        == "The sum is 5."
    )
    stray = said(asked, call, {"role": "tool", "tool_call_id": "c2", "content": "5"}, tools=[ADD])
    assert stray == "FAULT: ValueError: c2 was never called"
    assert said(asked).startswith("FAULT: no tool that adds")


def test_a_schema_a_picture_and_a_budget_are_missed() -> None:
    assert said(user("Who? (cue: schema)")).startswith("FAULT: no schema")
    assert said(user("What? (cue: image)")) == "FAULT: no image"
    assert said(user("Think. (cue: effort)")) == "A budget of None tokens."
    assert isinstance(said(user("Long. (cue: errors)")), Refusal)


@pytest.mark.parametrize(
    ("cell", "shown", "mark"),
    [
        ("text", {"text": "The word is pomelo."}, "✓"),
        ("text", {"text": "FAULT: nothing"}, "✗"),
        ("text", {"error": "The word is pomelo."}, "✗"),
        ("text", {"missing": True}, "✗"),
        ("stream", {"pieces": ["The ", "word ", "is ", "pomelo."]}, "✓"),
        ("stream", {"pieces": ["The word is pomelo."]}, "✗"),
        ("errors", {"error": "400: prompt is too long"}, "✓"),
        ("errors", {"text": "prompt is too long"}, "✗"),
        ("errors", {"error": "500: oops"}, "✗"),
    ],
)
def test_what_a_program_shows_is_judged(cell: str, shown: JSON, mark: str) -> None:
    assert answered(CELL[cell], shown).mark == mark
