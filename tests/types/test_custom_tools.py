"""Free text as a function's arguments: there and back, in any pieces."""

import pytest

from perpend.types import Custom, FreeText, Wrapping, custom_tool, unwrapped, wrapped

PATCH = '*** Begin Patch\n+print("hi \\n")\t– 🦉\n*** End Patch'
MEANINGS = {
    wrapped(PATCH): PATCH,
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
    assert unwrapped(arguments) == text


@pytest.mark.parametrize("arguments", MEANINGS)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_arguments_in_pieces_say_what_the_whole_says(arguments: str, size: int) -> None:
    reading = FreeText()
    pieces = [arguments[at : at + size] for at in range(0, len(arguments), size)]
    assert "".join(map(reading.feed, pieces)) + reading.close() == unwrapped(arguments)


def test_text_comes_out_before_its_end_is_known() -> None:
    assert FreeText().feed('{"input":"some of it') == "some of it"


@pytest.mark.parametrize("size", [1, 5, 100])
def test_text_in_pieces_is_wrapped_as_the_whole_is(size: int) -> None:
    wrapping = Wrapping()
    pieces = [PATCH[at : at + size] for at in range(0, len(PATCH), size)]
    assert "".join(map(wrapping.feed, pieces)) + wrapping.close() == wrapped(PATCH)
    assert Wrapping().close() == wrapped("")


def test_a_custom_tool_is_a_function_with_one_string() -> None:
    grammar = Custom(description="Changes files.", syntax="lark", definition='start: "a"+')
    tool = custom_tool("apply_patch", grammar)
    assert tool.parameters["required"] == ["input"]
    assert tool.parameters["properties"]["input"]["type"] == "string"
    assert tool.description == 'Changes files.\n\nIts input has to fit this lark grammar:\nstart: "a"+'
    assert tool.custom == grammar
    assert custom_tool("say", Custom()).description == ""
