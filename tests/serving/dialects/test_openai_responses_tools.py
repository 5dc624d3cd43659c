"""Tools as Codex and its like send them: flattened for the model, and known to the client by their own names."""

from typing import Any

import msgspec
import pytest

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.dialects.openai_responses_request import ResponsesParsed, decode_fields, parse_fields
from perpend.serving.dialects.openai_responses_tools import ClientTool, flat_name
from perpend.serving.fields import Ignored
from perpend.types import CustomToolSpec, ForcedTool, Message, Tool, ToolResult, ToolUse, custom_tool

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
ADD = {"type": "function", "name": "add", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": GRAMMAR}
MAIL = {"type": "namespace", "name": "mcp__mail", "description": "Mail.", "tools": [{**ADD, "name": "send"}]}
TOP = {"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]}
SEARCH = {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}}
HOSTED = [{"type": "web_search", "external_web_access": False}, {"type": "tool_search"}, {"type": "mcp"}]


def asked(**fields: Any) -> ResponsesParsed:
    ignored = Ignored(strict=False)
    return parse_fields(
        decode_fields(msgspec.json.encode({"input": "hi", **fields}), ignored), (), Config(), None, ignored
    )


def test_namespaces_are_flattened_and_hosted_tools_passed_over() -> None:
    got = asked(tools=[ADD, PATCH, MAIL, TOP, SEARCH, *HOSTED])
    grammar = CustomToolSpec(description="Edits files.", syntax="lark", definition="start: /.+/")
    assert got.request.output_spec.tools[:2] == (
        Tool(name="add", parameters={"type": "object"}),
        custom_tool("apply_patch", grammar),
    )
    names = [tool.name for tool in got.request.output_spec.tools]
    assert names == ["add", "apply_patch", "mcp__mail__send", "exec", "tool_search"]
    assert got.names["mcp__mail__send"] == got.names["send"] == ClientTool("send", "mcp__mail")
    assert got.names["exec"] == ClientTool("exec", "functions", "custom")
    assert got.request.ignored == ("tools[5]", "tools[6]", "tools[7]")


def test_a_model_s_name_for_a_tool_is_one_that_every_vendor_takes() -> None:
    assert flat_name("send", "mcp__mail__") == "mcp__mail__send"
    assert len(flat_name("n" * 60, "m" * 60)) == 64


def test_tools_that_come_with_the_input_are_offered_and_take_the_place_of_older_ones() -> None:
    newer = {**MAIL, "tools": [{**ADD, "name": "send", "description": "Newer."}]}
    items = [
        {"type": "additional_tools", "role": "developer", "tools": [TOP, MAIL]},
        {"role": "user", "content": "hi"},
        {"type": "tool_search_call", "call_id": "c1", "arguments": {"query": "mail"}, "execution": "client"},
        {"type": "tool_search_output", "call_id": "c1", "tools": [newer], "execution": "client"},
    ]
    got = asked(input=items, tools=[ADD, SEARCH])
    assert [tool.name for tool in got.request.output_spec.tools] == [
        "add",
        "tool_search",
        "exec",
        "mcp__mail__send",
    ]
    assert got.request.output_spec.tools[3].description == "Newer."
    search = ToolUse("c1", "tool_search", '{"query":"mail"}')
    found = ToolResult("c1", "Tools that can be called now: mcp__mail")
    assert got.request.messages[1:] == (Message("assistant", (search,)), Message("tool", (found,)))


CHOICES: list[tuple[dict[str, Any], Any, list[str]]] = [
    ({"type": "custom", "name": "apply_patch"}, ForcedTool("apply_patch"), []),
    ({"type": "function", "name": "send"}, ForcedTool("mcp__mail__send"), []),
    (
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "add"}]},
        "required",
        ["add"],
    ),
    (
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "apply_patch"}, MAIL]},
        "auto",
        ["apply_patch", "mcp__mail__send"],
    ),
    ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}, "none", []),
]


@pytest.mark.parametrize(("choice", "wanted", "allowed"), CHOICES)
def test_the_choice_of_tools_is_the_client_s(choice: Any, wanted: Any, allowed: list[str]) -> None:
    output_spec = asked(tools=[ADD, PATCH, MAIL], tool_choice=choice).request.output_spec
    assert output_spec.tool_choice == wanted
    assert [tool.name for tool in output_spec.tools] == (allowed or ["add", "apply_patch", "mcp__mail__send"])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tools": [ADD], "tool_choice": {"type": "web_search"}}, "tool_choice"),
    ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice"),
    (
        {
            "tools": [ADD],
            "tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "sub"}]},
        },
        "tool_choice.tools",
    ),
    (
        {
            "tools": [ADD],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "mcp"}]},
        },
        "tool_choice.tools",
    ),
    ({"tools": [{"name": "add"}]}, "tools[0].type"),
    ({"tools": [{"type": "namespace", "tools": []}]}, "tools[0].name"),
    (
        {"tools": [{"type": "namespace", "name": "a", "tools": [{"type": "custom"}]}]},
        "tools[0].tools[0].name",
    ),
    ({"tools": [{**PATCH, "format": {"type": "grammar", "syntax": "lark"}}]}, "tools[0].format.definition"),
    ({"tools": [ADD, ADD]}, "tools"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG)
def test_what_can_t_be_honoured_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        asked(**fields)
    assert caught.value.field == field
    assert caught.value.hint
