"""Render an `Answer` as an Anthropic message; the stream's `message_delta` uses the same blocks."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw

from perpend.errors import UNREADABLE, PerpendError, ThreadNotFound
from perpend.serving.dialects.anthropic_request import MessagesParsed
from perpend.serving.dialects.anthropic_schema import (
    ErrorDetails,
    MessageError,
    MessageErrorDetail,
    MessageReply,
    MessageStop,
    MessageUsage,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ThinkingCount,
    ToolUseBlock,
)
from perpend.serving.dialects.blocks import Block, blocks_of
from perpend.serving.dialects.report import encode, perpend_block
from perpend.types import Answer, AnswerEnd, Request, Usage

_STOPS: dict[AnswerEnd, MessageStop] = {
    "whole": "end_turn",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "cut": "max_tokens",
}
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def message_body(answer: Answer, parsed: MessagesParsed) -> bytes:
    """The JSON body of a message (Anthropic's API reference, "Create a Message")."""
    request = parsed.request
    reply = MessageReply(
        id=message_id(answer.request_id),
        model=answer.plan.model,
        content=[_block(block) for block in blocks_of(answer, request.visibility, parsed.thoughts)],
        stop_reason=stop_reason(answer),
        stop_sequence=stop_sequence(answer, request),
        usage=usage_block(answer.usage),
        context_management=parsed.edits or UNSET,
        perpend=perpend_block(answer),
    )
    return encode(reply)


def message_id(request_id: str) -> str:
    return f"msg_{request_id}"


def stop_reason(answer: Answer) -> MessageStop:
    return _STOPS[answer.end]


def stop_sequence(answer: Answer, request: Request) -> str | None:
    """The stop sequence that ended the answer; None where the request has several, since backends don't say which."""
    stops = request.sampling.stop
    return stops[0] if answer.stop_reason == "stop_sequence" and len(stops) == 1 else None


def usage_block(usage: Usage) -> MessageUsage:
    """Tokens as Anthropic counts them: `input_tokens` without those read from a cache."""
    details = ThinkingCount(usage.thinking)
    return MessageUsage(usage.input - usage.cached, usage.output, usage.cached, 0, details)


def failure(error: PerpendError) -> MessageError:
    """The error as Anthropic's error body, with Perpend's code, field and hint beside it."""
    default = "invalid_request_error" if error.status < 500 else "api_error"
    kind = _TYPES.get(error.status, default)
    details = ErrorDetails(error.code) if isinstance(error, ThreadNotFound) else UNSET
    message, hint = error.client_message
    detail = MessageErrorDetail(kind, message, error.code, error.field or UNSET, hint or UNSET, details)
    return MessageError(detail)


def tool_input(arguments: str) -> Raw:
    """Arguments as a JSON object, which Anthropic's clients expect; other text is wrapped in one."""
    try:
        _OBJECT.decode(arguments or "{}")
    except UNREADABLE:
        return Raw(msgspec.json.encode({"arguments": arguments}))
    return Raw((arguments or "{}").encode())


def _block(block: Block) -> TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock:
    if block.kind == "thought":
        return ThinkingBlock(block.text, block.provider_state)
    if block.kind == "text":
        return TextBlock(block.text)
    if block.kind == "call":
        return ToolUseBlock(block.id, block.name, tool_input(block.text))
    return RedactedThinkingBlock(block.provider_state)
