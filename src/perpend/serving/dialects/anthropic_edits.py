"""Anthropic's context editing: remove old thinking and tool results from the prompt.

Follows https://docs.anthropic.com/en/docs/build-with-claude/context-editing. Token counts are estimates, since no
backend has counted the prompt yet. Summaries made by Anthropic (`compact_…`) are ignored.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from perpend.accounting.estimates import Speed
from perpend.serving.dialects.anthropic_schema import Amount, AppliedEdit, AppliedEdits, ContextEdit
from perpend.serving.dialects.output_specs import canonical_content
from perpend.serving.fields import Ignored
from perpend.types import Message, Part, Text, Thought, ToolResult, ToolUse

CLEARED = "[This result was cleared to save context.]"
_THINKING_KEPT = 1
_USES_KEPT = 3
_TRIGGER = Amount(type="input_tokens", value=100_000)
"""Anthropic's defaults."""

_tokens = Speed().estimate_tokens


def apply_edits(
    messages: list[Message], edits: Sequence[ContextEdit], ignored: Ignored
) -> tuple[list[Message], AppliedEdits]:
    """Apply the edits in order: the messages after them, and a report of each edit that removed something."""
    applied: list[AppliedEdit] = []
    for i, edit in enumerate(edits):
        if (apply := _EDITS.get(edit.type)) is None:
            ignored.add(f"context_management.edits[{i}]", f"an edit of type {edit.type[:80]!r}")
            continue
        after, report = apply(messages, edit)
        if report is not None:
            messages = after
            applied.append(report)
    return messages, AppliedEdits(tuple(applied))


EditResult = tuple[list[Message], AppliedEdit | None]


def _clear_thinking(messages: list[Message], edit: ContextEdit) -> EditResult:
    """Remove the thoughts of all but the last `keep` turns that have any. A turn ends at the next user message."""
    keep = edit.keep
    if keep == "all" or (isinstance(keep, Amount) and keep.type == "all"):
        return messages, None
    turns: list[list[int]] = [[]]
    for at, message in enumerate(messages):
        if message.role == "user":
            turns.append([])
        elif any(isinstance(part, Thought) for part in message.parts):
            turns[-1].append(at)
    thinking = [turn for turn in turns if turn]
    cleared = thinking[: max(0, len(thinking) - (_THINKING_KEPT if keep is None else keep.value))]
    if not cleared:
        return messages, None
    after, tokens = list(messages), 0
    for at in [at for turn in cleared for at in turn]:
        tokens += _tokens(messages[at].thinking)
        rest = [part for part in messages[at].parts if not isinstance(part, Thought)]
        after[at] = Message("assistant", canonical_content(rest))
    report = AppliedEdit(type=edit.type, cleared_input_tokens=tokens, cleared_thinking_turns=len(cleared))
    return [message for message in after if message.content], report


def _clear_tool_uses(messages: list[Message], edit: ContextEdit) -> EditResult:
    """Clear the results of all but the last `keep` tool uses, and their inputs with `clear_tool_inputs`."""
    uses = [part for message in messages for part in message.parts if isinstance(part, ToolUse)]
    keep = edit.keep.value if isinstance(edit.keep, Amount) else _USES_KEPT
    trigger = edit.trigger or _TRIGGER
    reached = len(uses) if trigger.type == "tool_uses" else sum(map(_size, messages))
    old = uses[: max(0, len(uses) - keep)]
    cleared = {use.id: use.name for use in old if use.name not in (edit.exclude_tools or ())}
    if reached <= trigger.value or not cleared:
        return messages, None
    inputs = edit.clear_tool_inputs

    def clear(part: Part) -> Part:
        if isinstance(part, ToolResult) and part.tool_use_id in cleared:
            return ToolResult(part.tool_use_id, CLEARED, part.failed)
        if (
            isinstance(part, ToolUse)
            and part.id in cleared
            and (inputs is True or (isinstance(inputs, list) and part.name in inputs))
        ):
            return replace(part, arguments="{}")
        return part

    after = [
        message
        if isinstance(message.content, str)
        else replace(message, content=tuple(map(clear, message.content)))
        for message in messages
    ]
    tokens = sum(map(_size, messages)) - sum(map(_size, after))
    if edit.clear_at_least is not None and tokens < edit.clear_at_least.value:
        return messages, None
    return after, AppliedEdit(
        type=edit.type, cleared_input_tokens=max(0, tokens), cleared_tool_uses=len(cleared)
    )


def _size(message: Message) -> int:
    return sum(map(_part_size, message.parts))


def _part_size(part: Part) -> int:
    match part:
        case Text() | Thought():
            return _tokens(part.text)
        case ToolUse():
            return _tokens(part.name + part.arguments)
        case ToolResult():
            return (
                _tokens(part.content) if isinstance(part.content, str) else sum(map(_part_size, part.content))
            )
        case _:
            return 0


_EDITS: dict[str, Callable[[list[Message], ContextEdit], EditResult]] = {
    "clear_thinking_20251015": _clear_thinking,
    "clear_tool_uses_20250919": _clear_tool_uses,
}
