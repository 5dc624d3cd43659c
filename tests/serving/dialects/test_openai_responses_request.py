"""A body of `/v1/responses` becomes the same canonical request, or an error that names the field."""

from typing import Any

import msgspec
import pytest
from scripted import answer

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.dialects.openai_responses_answer import response
from perpend.serving.dialects.openai_responses_request import ResponsesParsed, decode_fields, parse_fields
from perpend.serving.dialects.report import encode
from perpend.serving.fields import Ignored
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Part,
    ProviderState,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Visibility,
    custom_arguments,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOL = {"type": "function", "name": "add", "description": "Adds.", "parameters": SCHEMA}
USER = {"role": "user", "content": "hi"}


def parsed(before: tuple[Message, ...] = (), **fields: Any) -> ResponsesParsed:
    body = msgspec.json.encode({"input": "hi", **fields})
    ignored = Ignored(strict=False)
    return parse_fields(decode_fields(body, ignored), before, Config(), None, ignored)


def test_text_and_instructions() -> None:
    got = parsed((Message("user", "a"), Message("assistant", "b")), instructions="Be brief.")
    turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "hi"))
    assert got.request.messages == (Message("system", "Be brief."), *turns)
    assert got.conversation == turns


def test_effort_summary_and_limits() -> None:
    request = parsed(reasoning={"effort": "xhigh", "summary": "auto"}, max_output_tokens=99).request
    assert (request.effort, request.visibility) == ("max", "summary")
    assert request.limits.max_output_tokens == 99
    both = parsed(reasoning={"effort": "low", "summary": "auto"}, thinking_visibility="visible").request
    assert (both.effort, both.visibility) == ("low", "visible")


def test_tools_and_the_form_of_the_answer() -> None:
    wanted = {"type": "json_schema", "name": "sum", "schema": SCHEMA, "strict": True}
    output_spec = parsed(
        tools=[TOOL],
        tool_choice={"type": "function", "name": "add"},
        parallel_tool_calls=False,
        text={"format": wanted},
    ).request.output_spec
    assert output_spec == OutputSpec(
        tools=(Tool(name="add", description="Adds.", parameters=SCHEMA),),
        tool_choice=ForcedTool("add"),
        parallel_tools=False,
        output=OutputFormat(schema=SCHEMA, name="sum", strict=True),
    )


def test_items_of_one_turn_are_one_message() -> None:
    items: list[Any] = [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PNG}],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "hm"}],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "b", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call", "call_id": "c2", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
        {"type": "message", "role": "developer", "content": "c"},
    ]
    assert parsed(input=items).request.messages == (
        Message("user", (Text("a"), Image(PNG))),
        Message(
            "assistant", (Thought("hm"), Text("b"), ToolUse("c1", "add", "{}"), ToolUse("c2", "add", "{}"))
        ),
        Message("tool", (ToolResult("c1", "1"), ToolResult("c2", "2"))),
        Message("system", "c"),
    )


def test_items_of_custom_tools_and_of_namespaces() -> None:
    items: list[Any] = [
        {"role": "user", "content": "a"},
        {
            "type": "custom_tool_call",
            "call_id": "c1",
            "name": "exec",
            "namespace": "functions",
            "input": '"x"',
        },
        {
            "type": "function_call",
            "call_id": "c2",
            "name": "send",
            "namespace": "mcp__mail",
            "arguments": "{}",
        },
        {"type": "local_shell_call", "call_id": "c3", "status": "completed", "action": {"command": ["ls"]}},
        {
            "type": "custom_tool_call_output",
            "call_id": "c1",
            "output": [{"type": "input_image", "image_url": PNG}],
        },
        {"type": "function_call_output", "call_id": "c2", "output": "sent"},
        {"type": "local_shell_call_output", "id": "c3", "output": "{}"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        {"type": "compaction", "encrypted_content": "abc"},
    ]
    request = parsed(input=items).request
    calls = (
        ToolUse("c1", "exec", custom_arguments('"x"')),
        ToolUse("c2", "mcp__mail__send", "{}"),
        ToolUse("c3", "local_shell", '{"command":["ls"]}'),
    )
    results = (ToolResult("c1", (Image(PNG),)), ToolResult("c2", "sent"), ToolResult("c3", "{}"))
    assert request.messages == (
        Message("user", "a"),
        Message("assistant", calls),
        Message("tool", results),
    )
    assert request.ignored == ("input[7]", "input[8]")


def test_an_input_of_nothing_that_is_known_here_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(input=[{"type": "compaction", "encrypted_content": "abc"}])
    assert caught.value.field == "input"


def test_a_conversation_may_be_shortened() -> None:
    got = parsed(truncation="auto")
    assert (got.request.auto_truncate, got.echo.truncation) == (True, "auto")
    assert parsed().request.auto_truncate is False


def test_what_else_stock_clients_send_of_reasoning() -> None:
    request = parsed(reasoning={"effort": "ultra", "context": "all_turns", "summary": "none"}).request
    assert (request.effort, request.visibility, request.ignored) == ("max", "visible", ("reasoning.context",))


PNG = "data:image/png;base64,AAAA"
SAID: tuple[Part, ...] = (
    Thought("first", ProviderState("v", "s1")),
    Thought("", ProviderState("v", "redacted")),
    Thought("unsigned"),
    Text("text", ProviderState("v", "s3")),
    ToolUse("c1", "add", '{"a": 1}', ProviderState("v", "s4")),
)


@pytest.mark.parametrize("visibility", ["visible", "summary", "hidden"])
def test_output_that_comes_back_as_it_went_out_is_what_the_model_said(visibility: Visibility) -> None:
    whole = answer("text", "firstunsigned", "tool_calls", "a line\n", SAID)
    body = msgspec.json.decode(encode(response(whole, parsed(thinking_visibility=visibility))))
    back = parsed(input=[USER, *body["output"]]).request.messages[1]
    kept = (Thought("", ProviderState("v", "s1")), SAID[1], *SAID[3:])
    assert back == Message("assistant", SAID if visibility == "visible" else kept)


def test_encrypted_content_that_is_not_ours_is_dropped() -> None:
    items: list[Any] = [
        USER,
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAAB"},
        {"role": "assistant", "content": "b"},
    ]
    assert parsed(input=items).request.messages[1] == Message("assistant", "b")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"inputs": 5}, "inputs"),
    ({"input": []}, "input"),
    ({"input": [{"content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
    ({"input": [{"type": "function_call_output", "output": "c"}]}, "input[0].call_id"),
    ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].file_data"),
    ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ({"background": True, "store": False}, "store"),
    ({"reasoning": {"efort": "low"}}, "reasoning.efort"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(**fields)
    assert caught.value.field == field
    assert caught.value.hint
