"""Calls come out of an answer however it is cut, and nothing of it is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.families.tool_call_parser import ToolCallParser, ToolCallReader
from perpend.types import Tool, ToolCallDelta

Said = tuple[str, list[tuple[str, str]]]


def read(pieces: list[str], inside: bool = False) -> Said:
    parser = ToolCallParser(inside=inside)
    return gathered([*(one for part in pieces for one in parser.feed(part)), *parser.close()])


def gathered(pieces: list[str | ToolCallDelta]) -> Said:
    """All the text, and name and arguments of each call."""
    text, calls = "", list[tuple[str, str]]()
    for piece in pieces:
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


BARE = '{"name": "add", "arguments": {"a": 1}}'
ADD = Tool(name="add", parameters={"type": "object", "properties": {"a": {"type": "integer"}}})


def read_both(pieces: list[str]) -> Said:
    reader = ToolCallReader((ADD,), untagged=True)
    return gathered([*(one for part in pieces for one in reader.feed(part)), *reader.close()])


def test_calls_with_and_without_tags_are_counted_together() -> None:
    whole = f"First:\n{BARE}\n{ODD}\n```json\n{BARE}\n```"
    calls = [("add", '{"a":1}'), ("mul", '{"a":1}'), ("add", '{"a":1}')]
    assert read_both([whole]) == read_both(list(whole)) == ("First:", calls)


def test_without_tags_nothing_is_a_call_where_the_family_writes_them() -> None:
    reader = ToolCallReader((ADD,))
    assert [*reader.feed(BARE), *reader.close()] == [BARE]
