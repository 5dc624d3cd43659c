"""Free text as a function's arguments: there and back, in any pieces."""

import pytest

from perpend.types import (
    CustomArgumentsWriter,
    CustomInputReader,
    CustomToolSpec,
    custom_arguments,
    custom_input,
    custom_tool,
)

PATCH = '*** Begin Patch\n+print("hi \\n")\t– 🦉\n*** End Patch'
MEANINGS = {
    custom_arguments(PATCH): PATCH,
    '{ "input" : "a\\u00e9\\ud83e\\udd89\\/b", "more": 1}': "aé🦉/b",
    '{"input": "a line\nas it is"}': "a line\nas it is",
    '{"input": "no \\d such \\u12 escape \\ud83e half"}': "no d such u12 escape � half",
    '{"input": "cut in an esc\\u00': "cut in an esc",
    '{"inp': "",
    '{"patch": "under another name"}': "under another name",
    '{"input": 3}': '{"input": 3}',
    "*** Begin Patch\n*** End Patch": "*** Begin Patch\n*** End Patch",
    "": "",
}


@pytest.mark.parametrize(("arguments", "text"), list(MEANINGS.items()))
def test_arguments_mean_a_text_however_they_are_written(arguments: str, text: str) -> None:
    assert custom_input(arguments) == text


@pytest.mark.parametrize("arguments", MEANINGS)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_arguments_in_pieces_say_what_the_whole_says(arguments: str, size: int) -> None:
    reading = CustomInputReader()
    pieces = [arguments[at : at + size] for at in range(0, len(arguments), size)]
    assert "".join(map(reading.feed, pieces)) + reading.close() == custom_input(arguments)


def test_text_comes_out_before_its_end_is_known() -> None:
    assert CustomInputReader().feed('{"input":"some of it') == "some of it"


@pytest.mark.parametrize("size", [1, 5, 100])
def test_text_in_pieces_is_wrapped_as_the_whole_is(size: int) -> None:
    wrapping = CustomArgumentsWriter()
    pieces = [PATCH[at : at + size] for at in range(0, len(PATCH), size)]
    assert "".join(map(wrapping.feed, pieces)) + wrapping.close() == custom_arguments(PATCH)
    assert CustomArgumentsWriter().close() == custom_arguments("")


def test_a_custom_tool_is_a_function_with_one_string() -> None:
    grammar = CustomToolSpec(description="Changes files.", syntax="lark", definition='start: "a"+')
    tool = custom_tool("apply_patch", grammar)
    assert tool.parameters["required"] == ["input"]
    assert tool.parameters["properties"]["input"]["type"] == "string"
    assert tool.description == 'Changes files.\n\nIts input has to fit this lark grammar:\nstart: "a"+'
    assert tool.custom == grammar
    assert custom_tool("say", CustomToolSpec()).description == ""
