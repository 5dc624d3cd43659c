"""What was said becomes parts, in order, with what vendors want back in its place."""

from perpend.solve.message_builder import MessageBuilder, MessageEvent
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


def content(*said: MessageEvent) -> tuple[Part, ...]:
    builder = MessageBuilder()
    builder.add(said)
    return builder.content


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
    builder = MessageBuilder()
    assert builder.empty
    builder.add([ThinkingDelta("hm")])
    assert not builder.answering
    builder.add([ToolCallDelta(0, "a", "add")])
    assert builder.answering
    assert (builder.thinking, builder.answer) == ("hm", "")
