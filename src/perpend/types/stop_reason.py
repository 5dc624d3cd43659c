"""How a call, a candidate and a request end: one vocabulary, into which `backends/reasons` maps the vendors' words."""

from typing import Literal

import msgspec

from perpend.types.content import Part, ToolUse

ServerStop = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter"]
"""How a server says that it ended a call."""
CallStop = Literal[ServerStop, "thinking_tokens", "deadline", "answer_now"]
"""How a call ended: by its server, or cut here."""
StopReason = Literal[
    "stop",  # the model ended by itself
    "stop_sequence",
    "tool_calls",  # the model waits for the results of its tool calls
    "content_filter",  # the vendor refused, or cut the answer
    "answer_tokens",  # the answer filled its budget
    "thinking_tokens",  # its model thought on when it was to answer, as long as it might
    "cost_cap",
    "deadline",
    "answer_now",  # a person asked for what there is
    "cancelled",
    "upstream_error",
]
COMPLETE: frozenset[StopReason] = frozenset(("stop", "stop_sequence", "tool_calls"))
"""Ends of an answer that is whole."""
AnswerEnd = Literal["whole", "stop_sequence", "tool_calls", "content_filter", "cut"]
"""What a client has to know of an answer's end: whether it can be taken for all that there was to say."""


def answer_end(stop_reason: StopReason, content: tuple[Part, ...]) -> AnswerEnd:
    """How an answer ends. Tool calls that came whole are to be made, whatever cut the thinking before them."""
    if stop_reason in ("stop_sequence", "tool_calls", "content_filter"):
        return stop_reason
    if stop_reason == "stop":
        return "whole"
    calls = [part.arguments for part in content if isinstance(part, ToolUse)]
    return "tool_calls" if calls and all(_is_json(arguments) for arguments in calls) else "cut"


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True
