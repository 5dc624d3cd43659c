"""Events of requests as they may come, and the answers that they end in, for hypothesis."""

from hypothesis import strategies as st
from scripted import STARTED, answer

from perpend.solve.message_builder import MessageBuilder, MessageEvent
from perpend.types import (
    AnswerDelta,
    Event,
    Finished,
    Progress,
    ProviderState,
    ProviderStateDelta,
    StopReason,
    SummaryDelta,
    ThinkingDelta,
    ToolCallDelta,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
CARRY = st.builds(ProviderState, st.sampled_from(["anthropic", "google"]), TEXT)
STOPS: list[StopReason] = [
    "stop",
    "answer_tokens",
    "deadline",
    "tool_calls",
    "content_filter",
    "stop_sequence",
]


@st.composite
def said(draw: st.DrawFn) -> list[MessageEvent]:
    """Thoughts, texts and tool calls in any order, each in pieces."""
    events: list[MessageEvent] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["thought", "text", "call"]), max_size=5)):
        pieces = draw(st.lists(TEXT, max_size=3))
        provider_state = draw(st.none() | CARRY)
        if kind == "call":
            first = draw(st.sampled_from(['{"a": 1}', '{"a": ', '{"input": "a\\n– b"}', ""]))
            events.append(ToolCallDelta(calls, f"call_{calls}", "add", first))
            if first.endswith(" "):
                events += [
                    ToolCallDelta(calls, arguments="1"),
                    ToolCallDelta(calls, arguments="}", provider_state=provider_state),
                ]
            calls += 1
        else:
            events += [ThinkingDelta(text) if kind == "thought" else AnswerDelta(text) for text in pieces]
            if provider_state is not None:
                events.append(ProviderStateDelta(provider_state, "thought" if kind == "thought" else "text"))
    return events


@st.composite
def histories(draw: st.DrawFn) -> list[list[Event]]:
    """Batches of a request. Some of its end may not have been streamed."""
    whole = draw(said())
    builder = MessageBuilder()
    builder.add(whole)
    events: list[Event] = [*whole[: draw(st.integers(0, len(whole)))]]
    lines = draw(st.lists(TEXT, max_size=3))
    thought = next((i for i, e in enumerate(events) if isinstance(e, ThinkingDelta) and e.text), None)
    if thought is not None:
        at = sorted(draw(st.integers(thought + 1, len(events))) for _ in lines)
        for place, line in reversed(list(zip(at, lines, strict=True))):
            events.insert(place, SummaryDelta(line))
    if draw(st.booleans()):
        events.insert(0, Progress("thinking", 1, 64, 0, 1.5, answer().cost_usd))
    end = answer(
        builder.answer,
        builder.thinking,
        draw(st.sampled_from(STOPS)),
        "".join(lines) if builder.thinking else "",
        builder.content,
    )
    cut = draw(st.integers(0, len(events)))
    return [[STARTED], events[:cut], events[cut:], [Finished(end)]]
