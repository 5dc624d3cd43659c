"""What was said becomes parts, in order, with what vendors want back in its place."""

from perpend.solve.message_builder import MessageBuilder, Said
from perpend.types import (
    AnswerDelta,
    Part,
    ProviderState,
    ProviderStateDelta,
    Text,
    ThinkingDelta,
    Thought,
    ToolCallDelta,
    ToolUse,
)

SIGNED = ProviderState("anthropic", "signature")


def content(*said: Said) -> tuple[Part, ...]:
    transcript = MessageBuilder()
    transcript.add(said)
    return transcript.content


def test_adjacent_texts_are_one_part() -> None:
    said = ThinkingDelta("6*"), ThinkingDelta("7"), AnswerDelta("4"), AnswerDelta("2")
    assert content(*said) == (Thought("6*7"), Text("42"))


def test_what_is_carried_ends_the_part_before_it() -> None:
    said = ThinkingDelta("one"), ProviderStateDelta(SIGNED), ThinkingDelta("two"), AnswerDelta("so")
    assert content(*said) == (Thought("one", SIGNED), Thought("two"), Text("so"))


def test_a_thought_that_only_its_vendor_can_read_stands_alone() -> None:
    assert content(ProviderStateDelta(SIGNED), AnswerDelta("so")) == (Thought("", SIGNED), Text("so"))
    assert content(AnswerDelta("so"), ProviderStateDelta(SIGNED)) == (Text("so"), Thought("", SIGNED))
    assert content(AnswerDelta("so"), ProviderStateDelta(SIGNED, "text")) == (Text("so", SIGNED),)


def test_tool_calls_are_put_together_where_they_began() -> None:
    said = (
        ToolCallDelta(0, "a", "add", '{"x":'),
        ToolCallDelta(1, "b", "sub"),
        ToolCallDelta(0, arguments="1}"),
        AnswerDelta("wait"),
        ToolCallDelta(1, arguments="{}", provider_state=SIGNED),
    )
    assert content(*said) == (
        ToolUse("a", "add", '{"x":1}'),
        ToolUse("b", "sub", "{}", SIGNED),
        Text("wait"),
    )


def test_a_tool_call_is_an_answer() -> None:
    transcript = MessageBuilder()
    assert transcript.empty
    transcript.add([ThinkingDelta("hm")])
    assert not transcript.answering
    transcript.add([ToolCallDelta(0, "a", "add")])
    assert transcript.answering
    assert (transcript.thinking, transcript.answer) == ("hm", "")
