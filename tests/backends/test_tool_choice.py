"""Whether a tool is wanted: asked by the weights of a first call's name."""

from math import inf

import pytest
from msgspec.structs import replace

from perpend.backends.contract import Call
from perpend.backends.tool_choice import choosing, decided, undecided
from perpend.families.family import family_named
from perpend.families.tool_markup import as_text
from perpend.types import ForcedTool, Message, OutputSpec, Sampling, Tool, ToolResult, ToolUse

WEATHER = Tool(name="get_weather")
READ = Tool(name="read_file", description="Reads.")
OUTPUT_SPEC = OutputSpec(tools=(WEATHER, READ))
CALL = Call(
    model="m",
    family=family_named("qwen2.5-coder"),
    messages=(Message("system", "Be brief."), Message("user", "Hello")),
    max_tokens=64,
    output_spec=OUTPUT_SPEC,
    sampling=Sampling(temperature=1.0, stop=("\n",)),
)


def test_who_is_asked() -> None:
    assert undecided(CALL)
    assert not undecided(replace(CALL, output_spec=OutputSpec()))
    assert not undecided(replace(CALL, output_spec=replace(OUTPUT_SPEC, tool_choice="none")))
    assert not undecided(replace(CALL, output_spec=replace(OUTPUT_SPEC, tool_choice="required")))
    assert not undecided(replace(CALL, family=family_named("tagged")))


def test_the_question_is_one_token_whatever_was_asked_of_the_answer() -> None:
    asked = choosing(CALL)
    assert (asked.phase, asked.max_tokens, asked.continuation) == ("answering", 1, '{"name": "')
    assert asked.first_logprobs
    assert asked.sampling == Sampling(temperature=0.0)


@pytest.mark.parametrize(
    ("first_logprobs", "choice"),
    [
        ({"get": -0.1, "reply": -2.5}, ForcedTool("get_weather")),
        ({"get": -2.5, "reply": -0.1}, "none"),
        ({"read": -0.2, "re": -3.0, "reply": -2.0}, ForcedTool("read_file")),
        ({"re": -0.2, "get": -3.0}, "none"),  # it may become `reply`: a tool needs more weight than that
        ({"send": -0.1}, "none"),  # no tool of ours
        ({"": -0.1, "get": -inf}, "none"),
        ({}, "none"),
    ],
)
def test_the_likelier_name_decides(first_logprobs: dict[str, float], choice: object) -> None:
    assert decided(OUTPUT_SPEC, first_logprobs).tool_choice == choice


def test_tools_that_begin_alike_are_told_apart_by_the_call_itself() -> None:
    alike = OutputSpec(tools=(Tool(name="get_time"), WEATHER))
    assert decided(alike, {"get": -0.1, "reply": -2.0}).tool_choice == "required"


def test_a_reply_stands_among_the_tools_and_an_example_shows_it() -> None:
    system, hello, greeting, user = as_text(CALL.messages, OUTPUT_SPEC, "chosen")
    assert system.text.startswith("Be brief.\n\n# Tools")
    assert system.text.index('"name":"read_file"') < system.text.index('"name":"reply"')
    assert (hello.role, greeting.role) == ("user", "assistant")
    assert greeting.text.startswith('{"name": "reply"')
    assert user == CALL.messages[1]


def test_a_tool_called_reply_keeps_its_name() -> None:
    output_spec = OutputSpec(tools=(Tool(name="reply"),))
    system, *_ = as_text(CALL.messages, output_spec, "chosen")
    assert '"name":"answer_in_words"' in system.text
    assert decided(output_spec, {"reply": -0.1}).tool_choice == ForcedTool("reply")
    assert decided(output_spec, {"reply": -2.0, "answer": -0.1}).tool_choice == "none"


def test_past_calls_and_their_results_need_no_tags_to_be_understood() -> None:
    messages = (
        *CALL.messages,
        Message("assistant", (ToolUse("c", "read_file", '{"path": "a"}'),)),
        Message("tool", (ToolResult("c", "b"),)),
    )
    for output_spec in (OUTPUT_SPEC, replace(OUTPUT_SPEC, tool_choice="none")):
        *_, call, result = as_text(messages, output_spec, "chosen")
        assert call.text == '{"name": "read_file", "arguments": {"path": "a"}}'
        assert (result.role, result.text) == ("user", "This is what the call gave:\nb")
