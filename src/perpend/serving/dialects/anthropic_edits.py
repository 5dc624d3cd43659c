"""Anthropic's context editing: what the model needn't see again leaves the prompt, and the client keeps it.

As https://docs.anthropic.com/en/docs/build-with-claude/context-editing has it, with tokens by estimate: an edit comes
before anybody has counted. Summaries by the vendor (`compact_…`) are passed over.
"""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from perpend.accounting.estimates import Speed
from perpend.serving.dialects.anthropic_schema import Amount, AppliedEdit, AppliedEdits, ContextEdit
from perpend.serving.dialects.output_specs import plain
from perpend.serving.fields import Ignored
from perpend.types import Message, Part, Text, Thought, ToolResult, ToolUse

CLEARED = "[This result was cleared to save context.]"
_THINKING_KEPT = 1
_USES_KEPT = 3
_TRIGGER = Amount(type="input_tokens", value=100_000)
"""Anthropic's defaults."""

_tokens = Speed().estimate_tokens


def edited(
    messages: list[Message], edits: Sequence[ContextEdit], ignored: Ignored
) -> tuple[list[Message], AppliedEdits]:
    """The messages after all edits in their order, and what the edits did."""
    applied: list[AppliedEdit] = []
    for i, edit in enumerate(edits):
        if (apply := _EDITS.get(edit.type)) is None:
            ignored.add(f"context_management.edits[{i}]", f"an edit of type {edit.type[:80]!r}")
            continue
        after, told = apply(messages, edit)
        if told is not None:
            messages = after
            applied.append(told)
    return messages, AppliedEdits(tuple(applied))


Edited = tuple[list[Message], AppliedEdit | None]


def _clear_thinking(messages: list[Message], edit: ContextEdit) -> Edited:
    """Thoughts of all but the last turns that have any. A turn goes on through its tool calls, to the user's word."""
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
        after[at] = Message("assistant", plain(rest))
    told = AppliedEdit(type=edit.type, cleared_input_tokens=tokens, cleared_thinking_turns=len(cleared))
    return [message for message in after if message.content], told


def _clear_tool_uses(messages: list[Message], edit: ContextEdit) -> Edited:
    """Results of all but the last tool uses, and their inputs where that is asked for."""
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


_EDITS: dict[str, Callable[[list[Message], ContextEdit], Edited]] = {
    "clear_thinking_20251015": _clear_thinking,
    "clear_tool_uses_20250919": _clear_tool_uses,
}
