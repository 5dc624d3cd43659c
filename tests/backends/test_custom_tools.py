"""A custom tool where a wire has only functions: one with a single string, its grammar told in words."""

import contextlib
import json

import pytest
from msgspec.structs import replace
from replaying import Wire, call

from perpend.errors import UpstreamError
from perpend.families.tool_markup import as_text, schema_of
from perpend.types import (
    CustomToolSpec,
    Message,
    OutputSpec,
    ToolResult,
    ToolUse,
    custom_arguments,
    custom_tool,
)

PATCH = custom_tool("apply_patch", CustomToolSpec(description="Edits.", syntax="regex", definition="a+"))
OUTPUT_SPEC = OutputSpec(tools=(PATCH,))
MESSAGES = (
    Message("user", "Edit it."),
    Message("assistant", (ToolUse("call_1", "apply_patch", custom_arguments("aa")),)),
    Message("tool", (ToolResult("call_1", "done"),)),
)


@pytest.mark.parametrize("wire", ["openai_chat", "anthropic", "gemini", "ollama", "cohere", "dashscope"])
async def test_it_goes_as_a_function_of_one_text(wire: str) -> None:
    server = Wire(wire, (400, b"{}"))
    with contextlib.suppress(UpstreamError):
        await server.stream(replace(call(), output_spec=OUTPUT_SPEC, messages=MESSAGES))
    told = json.dumps(server.asked[0].body)
    assert '"custom"' not in told
    assert "fit this regex grammar:\\na+" in told
    assert '"required": ["input"]' in told
    assert '"input": "aa"' in told or r"{\"input\":\"aa\"}" in told


def test_it_is_told_in_words_where_a_model_only_reads_text() -> None:
    system, _, said, _ = as_text(MESSAGES, OUTPUT_SPEC)
    assert "fit this regex grammar" in system.text
    assert '{"name": "apply_patch", "arguments": {"input":"aa"}}' in said.text
    forced = schema_of(OutputSpec(tools=(PATCH,), tool_choice="required"))
    assert forced is not None
    assert forced["properties"]["arguments"] == PATCH.parameters
