"""What an edit of the context takes from the prompt, and what it says it did."""

from typing import Any

import msgspec

from perpend.serving.dialects.anthropic_edits import CLEARED, apply_edits
from perpend.serving.dialects.anthropic_schema import AppliedEdit, ContextEdit
from perpend.serving.fields import Ignored
from perpend.types import Message, Text, Thought, ToolResult, ToolUse

THINKING, USES = "clear_thinking_20251015", "clear_tool_uses_20250919"


def turn(n: int) -> list[Message]:
    """A question, a thought and a call, its result, another thought and the answer."""
    return [
        Message("user", f"question {n}"),
        Message("assistant", (Thought("hm"), ToolUse(f"c{n}", f"tool{n}", f'{{"n":{n}}}'))),
        Message("tool", (ToolResult(f"c{n}", "result " * 30),)),
        Message("assistant", (Thought("so"), Text(f"answer {n}"))),
    ]


HISTORY = [*turn(1), *turn(2), *turn(3), Message("user", "and now?")]


def edit(kind: str, **fields: Any) -> tuple[list[Message], tuple[AppliedEdit, ...]]:
    asked = msgspec.convert({"type": kind, **fields}, ContextEdit)
    messages, applied = apply_edits(HISTORY, [asked], Ignored(strict=True))
    return messages, applied.applied_edits


def thoughts(messages: list[Message]) -> list[str]:
    return [message.thinking for message in messages if message.role == "assistant"]


def results(messages: list[Message]) -> list[str]:
    return [str(p.content) for m in messages for p in m.parts if isinstance(p, ToolResult)]


def test_thoughts_stay_for_the_last_turns() -> None:
    for keep, kept in ((None, 1), ({"type": "thinking_turns", "value": 2}, 2)):
        messages, (applied,) = edit(THINKING, **({} if keep is None else {"keep": keep}))
        assert thoughts(messages) == ["", ""] * (3 - kept) + ["hm", "so"] * kept
        assert applied.cleared_thinking_turns == 3 - kept
        assert applied.cleared_input_tokens > 0
        assert [message.text for message in messages] == [message.text for message in HISTORY]


def test_thoughts_may_all_stay() -> None:
    for keep in ("all", {"type": "all"}, {"type": "thinking_turns", "value": 5}):
        assert edit(THINKING, keep=keep) == (HISTORY, ())


def test_results_of_old_tool_uses_are_cleared_once_there_are_enough() -> None:
    trigger = {"type": "tool_uses", "value": 2}
    messages, (applied,) = edit(USES, trigger=trigger, keep={"type": "tool_uses", "value": 1})
    assert results(messages) == [CLEARED, CLEARED, "result " * 30]
    assert (applied.cleared_tool_uses, applied.cleared_input_tokens > 50) == (2, True)
    assert messages[1] == HISTORY[1]
    assert edit(USES, trigger={"type": "tool_uses", "value": 3}, keep={"type": "tool_uses", "value": 1}) == (
        HISTORY,
        (),
    )


def test_tool_uses_are_cleared_over_so_many_tokens_and_never_for_few() -> None:
    one = {"keep": {"type": "tool_uses", "value": 1}}
    assert edit(USES, **one) == (HISTORY, ())  # 100,000 by default
    small = {**one, "trigger": {"type": "input_tokens", "value": 100}}
    assert results(edit(USES, **small)[0])[:2] == [CLEARED, CLEARED]
    assert edit(USES, **small, clear_at_least={"type": "input_tokens", "value": 5_000}) == (HISTORY, ())


def test_some_tools_are_never_cleared_and_inputs_where_that_is_asked_for() -> None:
    asked = {"trigger": {"type": "tool_uses", "value": 0}, "keep": {"type": "tool_uses", "value": 0}}
    messages, (applied,) = edit(USES, **asked, exclude_tools=["tool2"], clear_tool_inputs=True)
    assert results(messages) == [CLEARED, "result " * 30, CLEARED]
    inputs = [p.arguments for m in messages for p in m.parts if isinstance(p, ToolUse)]
    assert (inputs, applied.cleared_tool_uses) == (["{}", '{"n":2}', "{}"], 2)


def test_an_edit_that_only_the_vendor_can_make_is_named() -> None:
    ignored = Ignored(strict=False)
    assert apply_edits(HISTORY, [ContextEdit("compact_20260112")], ignored)[0] == HISTORY
    assert ignored.names == ("context_management.edits[0]",)
