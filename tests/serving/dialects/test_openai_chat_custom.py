"""Custom tools of OpenAI's chat: their input is free text, in the request, the answer and the turn that comes back."""

from typing import Any

import msgspec
import pytest
from scripted import STARTED, answer, events_of

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.dialects.openai_chat_answer import completion_body
from perpend.serving.dialects.openai_chat_request import ChatParsed, parse
from perpend.serving.dialects.openai_chat_stream import ChatStream
from perpend.types import (
    CustomToolSpec,
    ForcedTool,
    Message,
    Text,
    ToolCallDelta,
    ToolUse,
    custom_arguments,
    custom_tool,
)

USER = {"role": "user", "content": "hi"}
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
PATCH = {"type": "custom", "custom": {"name": "patch", "description": "Edits.", "format": GRAMMAR}}
NAMED = {"type": "custom", "custom": {"name": "patch"}}


def parsed(**fields: Any) -> ChatParsed:
    return parse(msgspec.json.encode({"messages": [USER], "tools": [PATCH], **fields}), Config())


def test_one_is_asked_for_and_forced() -> None:
    got = parsed(tool_choice=NAMED)
    patch = custom_tool("patch", CustomToolSpec(description="Edits.", syntax="regex", definition="a+"))
    assert got.request.output_spec.tools == (patch,)
    assert got.request.output_spec.tool_choice == ForcedTool("patch")
    assert got.custom == {"patch"}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}
    assert parsed(tool_choice=allowed).request.output_spec.tool_choice == "required"


def test_its_call_is_told_in_its_own_form_and_comes_back_so() -> None:
    use = ToolUse("c1", "patch", custom_arguments("aa"))
    end = answer(stop="tool_calls", content=(Text("42"), use))
    message = msgspec.json.decode(completion_body(end, "hidden", custom=frozenset(["patch"])))["choices"][0][
        "message"
    ]
    assert message["tool_calls"] == [
        {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "aa"}}
    ]
    again = parsed(messages=[USER, message, {"role": "tool", "tool_call_id": "c1", "content": "done"}])
    assert again.request.messages[1] == Message("assistant", (Text("42"), use))


def test_its_input_streams_as_it_comes() -> None:
    stream = ChatStream("hidden", False, custom=frozenset(["patch"]))
    events = [STARTED, ToolCallDelta(0, "c1", "patch", '{"in'), ToolCallDelta(0, arguments='put":"a')]
    deltas = [chunk["choices"][0]["delta"] for chunk in events_of(stream.render(events))][1:]
    assert deltas == [
        {
            "tool_calls": [
                {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "patch", "input": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "custom": {"input": "a"}}]},
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "a", "format": {"type": "grammar"}}}]},
            "tools[0].custom.format.grammar",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c1", "type": "custom"}]}]},
            "messages[0].tool_calls[0].function",
        ),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(**fields)
    assert caught.value.field == field
