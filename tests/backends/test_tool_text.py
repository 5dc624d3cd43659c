"""Tools in plain text: calls come out of an answer however it is cut, and nothing of it is lost."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.backends.tool_text import ToolCallParser, as_text, schema_of
from perpend.errors import BadRequest
from perpend.types import (
    Form,
    Image,
    Message,
    NamedTool,
    OutputFormat,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
ADD = Tool(name="add", description="Adds.", parameters=SCHEMA)
MUL = Tool(name="mul", parameters=SCHEMA)

Said = tuple[str, list[tuple[str, str]]]


def read(pieces: list[str], inside: bool = False) -> Said:
    """All the text, and name and arguments of each call."""
    parser = ToolCallParser(inside=inside)
    text, calls = "", list[tuple[str, str]]()
    for piece in [*(one for part in pieces for one in parser.feed(part)), *parser.close()]:
        if isinstance(piece, str):
            text += piece
        elif piece.id:
            assert piece.index == len(calls)
            calls.append((piece.name, piece.arguments))
        else:
            name, arguments = calls[piece.index]
            calls[piece.index] = (name, arguments + piece.arguments)
    return text, calls


CALL = '<tool_call>\n{"name": "add", "arguments": {"a": "}\\"]{"}}\n</tool_call>'
ODD = '<tool_call>{"arguments": {"a": 1}, "name": "mul"}</tool_call>'
READ: list[tuple[str, Said]] = [
    ("", ("", [])),
    ("plain < text <tool> \n", ("plain < text <tool> \n", [])),
    (CALL, ("", [("add", '{"a": "}\\"]{"}')])),
    (f"\n\n{CALL}\n{ODD}\n", ("", [("add", '{"a": "}\\"]{"}'), ("mul", '{"a":1}')])),
    (f"Let me add. {CALL} Done.", ("Let me add. Done.", [("add", '{"a": "}\\"]{"}')])),
    ("<tool_call>no JSON</tool_call>", ("<tool_call>no JSON</tool_call>", [])),
    ('<tool_call>{"name": "add"}', ('<tool_call>{"name": "add"}', [])),
    ('<tool_call>{"name": "add", "arguments": {"a": 1', ("", [("add", '{"a": 1')])),
    ("ends in <tool_ca", ("ends in <tool_ca", [])),
]


@pytest.mark.parametrize(("whole", "said"), READ)
def test_what_an_answer_says(whole: str, said: Said) -> None:
    assert read([whole]) == said
    assert read(list(whole)) == said


@given(
    st.lists(
        st.sampled_from([CALL, ODD, "text", " ", "<", "<tool_call>", "</tool_call>", "{", '"']), max_size=8
    ),
    st.data(),
)
def test_it_says_the_same_however_it_is_cut(parts: list[str], data: st.DataObject) -> None:
    whole = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(pieces) == read([whole])


def test_a_call_that_was_begun_for_the_model() -> None:
    assert read(['{"name": "add", ', '"arguments": {"a": 1}}'], inside=True) == ("", [("add", '{"a": 1}')])


def test_a_conversation_as_plain_messages() -> None:
    messages = (
        Message("system", "Be brief."),
        Message("user", "1 + 2?"),
        Message("assistant", (Thought("hm"), Text("So:"), ToolUse("c", "add", '{"a": 1}'))),
        Message("tool", (ToolResult("c", "3"), ToolResult("d", (Text("4"),)))),
    )
    system, user, assistant, results = as_text(messages, Form(tools=(ADD,)))
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
    assert as_text(messages[:2], Form(tools=(ADD,), tool_choice="none")) == messages[:2]


def test_an_image_is_refused() -> None:
    with pytest.raises(BadRequest):
        as_text((Message("user", (Image("https://example.com/a.png"),)),), Form())


def test_what_the_answer_has_to_be() -> None:
    output = OutputFormat(schema=SCHEMA)
    assert schema_of(Form()) is None
    assert schema_of(Form(output=output)) == SCHEMA
    assert schema_of(Form(output=OutputFormat())) == {"type": "object"}
    assert schema_of(Form(tools=(ADD,), output=output)) is None
    assert schema_of(Form(tools=(ADD,), tool_choice="none", output=output)) == SCHEMA
    one = schema_of(Form(tools=(ADD, MUL), tool_choice=NamedTool("mul")))
    assert one is not None
    assert one["properties"] == {"name": {"const": "mul"}, "arguments": SCHEMA}
    any_of = schema_of(Form(tools=(ADD, MUL), tool_choice="required"))
    assert any_of is not None
    assert len(any_of["anyOf"]) == 2
