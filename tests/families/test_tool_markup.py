"""Tools in plain text: what a model is told of them, and what its answer has to be."""

import msgspec
import pytest

from perpend.errors import BadRequest
from perpend.families.tool_markup import as_text, schema_of
from perpend.types import (
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
ADD = Tool(name="add", description="Adds.", parameters=SCHEMA)
MUL = Tool(name="mul", parameters=SCHEMA)


def test_a_conversation_as_plain_messages() -> None:
    messages = (
        Message("system", "Be brief."),
        Message("user", "1 + 2?"),
        Message("assistant", (Thought("hm"), Text("So:"), ToolUse("c", "add", '{"a": 1}'))),
        Message("tool", (ToolResult("c", "3"), ToolResult("d", (Text("4"),)))),
    )
    system, user, assistant, results = as_text(messages, OutputSpec(tools=(ADD,)))
    assert system.text.startswith("Be brief.\n\n# Tools")
    assert msgspec.json.decode(system.text.split("<tools>\n")[-1].split("\n</tools>")[0])["function"] == {
        "name": "add",
        "description": "Adds.",
        "parameters": SCHEMA,
    }
    assert user == messages[1]
    assert assistant.text == 'So:\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
    assert results.role == "user"
    assert results.text == ("<tool_response>\n3\n</tool_response>\n<tool_response>\n4\n</tool_response>")
    assert as_text(messages[:2], OutputSpec(tools=(ADD,), tool_choice="none")) == messages[:2]


def test_an_image_is_refused() -> None:
    with pytest.raises(BadRequest):
        as_text((Message("user", (Image("https://example.com/a.png"),)),), OutputSpec())


def test_what_the_answer_has_to_be() -> None:
    output = OutputFormat(schema=SCHEMA)
    assert schema_of(OutputSpec()) is None
    assert schema_of(OutputSpec(output=output)) == SCHEMA
    assert schema_of(OutputSpec(output=OutputFormat())) == {"type": "object"}
    assert schema_of(OutputSpec(tools=(ADD,), output=output)) is None
    assert schema_of(OutputSpec(tools=(ADD,), tool_choice="none", output=output)) == SCHEMA
    one = schema_of(OutputSpec(tools=(ADD, MUL), tool_choice=ForcedTool("mul")))
    assert one is not None
    assert one["properties"] == {"name": {"const": "mul"}, "arguments": SCHEMA}
    any_of = schema_of(OutputSpec(tools=(ADD, MUL), tool_choice="required"))
    assert any_of is not None
    assert len(any_of["anyOf"]) == 2
