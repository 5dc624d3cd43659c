"""Calls written without tags: however a text is cut they are found, and what is no call stays text to the letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.families.untagged_calls import UntaggedCall, UntaggedCallParser, fits
from perpend.types import Tool

SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"},
        "unit": {"enum": ["m", "km"]},
        "tags": {"items": {"type": "string"}},
    },
    "required": ["a"],
    "additionalProperties": False,
}
TOOLS = (Tool(name="add", parameters=SCHEMA), Tool(name="now"))
ADD = UntaggedCall("add", {"a": 1})
NOW = UntaggedCall("now", {})


def read(pieces: list[str]) -> tuple[str, list[UntaggedCall]]:
    reader = UntaggedCallParser(TOOLS)
    said = [one for piece in pieces for one in reader.feed(piece)] + reader.feed("", last=True)
    text = "".join(one for one in said if isinstance(one, str))
    return text, [one for one in said if isinstance(one, UntaggedCall)]


CALLS: list[tuple[str, str, list[UntaggedCall]]] = [
    ('{"name": "add", "arguments": {"a": 1}}', "", [ADD]),
    ('{"name": "add", "parameters": {"a": 1}}', "", [ADD]),
    ('{"name": "add", "arguments": "{\\"a\\": 1}"}', "", [ADD]),
    ('{"arguments": {"a": 1}, "name": "add"}', "", [ADD]),
    ('{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}', "", [ADD]),
    ('{"function": "add", "arguments": {"a": 1}}', "", [ADD]),
    ('[{"name": "add", "arguments": {"a": 1}}, {"name": "now", "arguments": {}}]', "", [ADD, NOW]),
    ('{"name": "add", "arguments": {"a": 1}}\n{"name": "now", "arguments": {}}\n', "", [ADD, NOW]),
    ('```json\n{"name": "add", "arguments": {"a": 1}}\n```', "", [ADD]),
    (
        '```\n{"name": "now", "arguments": {}}\n\n{"name": "add", "arguments": {"a": 1}}\n```\n',
        "",
        [NOW, ADD],
    ),
    ('Let me see.\n\n  {"name": "now", "arguments": {}}\n\nDone. ', "Let me see.Done.", [NOW]),
]
TEXTS = [
    "",
    " \n ",
    "plain {text} [1]\n\n",
    '{"name": "Ada", "age": 36}',
    '```json\n{"name": "Ada"}\n```\n',
    '{"name": "add", "arguments": {}}',
    '{"name": "add", "arguments": {"a": "1"}}',
    '{"name": "add", "arguments": {"a": 1}, "why": "because"}',
    '{"name": "sub", "arguments": {"a": 1}}',
    'It is {"name": "now", "arguments": {}}.',
    '```python\n{"name": "now", "arguments": {}}\n```',
    '```json\n{"name": "now", "arguments": {}}\nand so on\n```',
    '{"name": "now", "arguments": {oops}}\nand more',
    '{"name": "now", "arguments": {"cut',
    '[{"name": "now", "arguments": {}}, 3]',
    "[1, 2]\n{}\n`code`\n``\n",
]


@pytest.mark.parametrize(("text", "left", "calls"), CALLS)
def test_a_call(text: str, left: str, calls: list[UntaggedCall]) -> None:
    assert read([text]) == (left, calls)
    assert read(list(text)) == (left, calls)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_call_stays_text(text: str) -> None:
    assert read([text]) == (text, [])
    assert read(list(text)) == (text, [])


PARTS = [
    *(text for text, _, _ in CALLS),
    *TEXTS,
    "\n",
    "```",
    "```json\n",
    "{",
    '{"name": "',
    '"',
    "[",
    "\\",
    "a",
]


def test_a_name_that_is_no_json_is_text() -> None:
    text = '{"name": "\\{"name": "add", "arguments": {"a": 1}}'
    assert read([text]) == (text, [])


@given(st.lists(st.sampled_from(PARTS), max_size=6), st.data())
def test_it_says_the_same_however_it_is_cut(parts: list[str], data: st.DataObject) -> None:
    whole = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(pieces) == read([whole])


@given(st.lists(st.sampled_from([*TEXTS, "\n", "```", "{", '{"name": "', '"', "[", "a"]), max_size=6))
def test_without_a_call_nothing_changes(parts: list[str]) -> None:
    text, calls = read(["".join(parts)])
    assert calls or text == "".join(parts)


def test_only_what_may_become_a_call_is_held() -> None:
    reader = UntaggedCallParser(TOOLS)
    assert reader.feed('{"na') == []
    assert reader.feed('me": "Ada"') == ['{"name": "Ada"']
    assert reader.feed(", more") == [", more"]


@pytest.mark.parametrize(
    ("value", "fit"),
    [
        ({"a": 1}, True),
        ({"a": 1, "unit": "km", "tags": ["x"]}, True),
        ({}, False),
        ({"a": True}, False),
        ({"a": 1, "unit": "mile"}, False),
        ({"a": 1, "tags": [1]}, False),
        ({"a": 1, "b": 2}, False),
        ([], False),
    ],
)
def test_what_fits_a_schema(value: object, fit: bool) -> None:
    assert fits(SCHEMA, value) == fit


def test_a_schema_that_says_little_binds_little() -> None:
    assert fits({}, {"a": 1})
    assert fits({"type": ["string", "null"]}, None)
    assert fits({"anyOf": [{"type": "string"}]}, 3)
