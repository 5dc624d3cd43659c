"""Render an `Answer` as the body of a response; the stream's last event carries the same body."""

from typing import Literal

from msgspec import UNSET, structs

from perpend.errors import PerpendError, PromptTooLong
from perpend.serving.dialects.anthropic_answer import tool_input
from perpend.serving.dialects.blocks import Block, blocks_of
from perpend.serving.dialects.openai_responses_compaction import seal_summary
from perpend.serving.dialects.openai_responses_ids import item_id
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import (
    CompactionItem,
    CustomToolCallItem,
    FailureCode,
    FunctionCallItem,
    Incomplete,
    InputDetails,
    ItemStatus,
    MessageItem,
    OutputDetails,
    OutputItem,
    OutputText,
    ReasoningItem,
    ReasoningText,
    ResponseBody,
    ResponseFailure,
    ResponseState,
    ResponseUsage,
    SummaryText,
    ToolSearchCallItem,
)
from perpend.serving.dialects.openai_responses_tools import ClientTool
from perpend.serving.dialects.report import perpend_block
from perpend.types import Answer, AnswerEnd, TokenLogprob, TopLogprob, Usage, custom_input

_FAILURES: dict[str, FailureCode] = {PromptTooLong.code: "context_length_exceeded"}
_INCOMPLETE: dict[AnswerEnd, Literal["max_output_tokens", "content_filter"]] = {
    "cut": "max_output_tokens",
    "content_filter": "content_filter",
}
_TYPES = {"thought": "reasoning", "provider_state": "reasoning", "text": "message", "call": "function_call"}


def response(answer: Answer, parsed: ResponsesParsed) -> ResponseBody:
    """The body of a response with an answer (OpenAI's API reference, "The response object")."""
    incomplete = _incomplete(answer)
    return ResponseBody(
        **structs.asdict(parsed.echo),
        id=parsed.id,
        created_at=parsed.created_at,
        completed_at=parsed.created_at + round(answer.elapsed_s),
        status="completed" if incomplete is None else "incomplete",
        incomplete_details=incomplete,
        model=answer.plan.model,
        output=_output(answer, parsed),
        usage=usage_block(answer.usage),
        perpend=perpend_block(answer),
    )


def unanswered_response(
    parsed: ResponsesParsed, status: ResponseState, model: str | None = None
) -> ResponseBody:
    """The body of a response without an answer."""
    return ResponseBody(
        **structs.asdict(parsed.echo),
        id=parsed.id,
        created_at=parsed.created_at,
        status=status,
        model=model or parsed.request.model or "",
    )


def failed_response(error: PerpendError, parsed: ResponsesParsed) -> ResponseBody:
    """The body of a response that an error ended."""
    return structs.replace(unanswered_response(parsed, "failed"), error=failure_of(error))


def failure_of(error: PerpendError) -> ResponseFailure:
    """The error as the `error` of a response."""
    default = "invalid_prompt" if error.status < 500 else "server_error"
    code = _FAILURES.get(error.code) or ("rate_limit_exceeded" if error.status == 429 else default)
    message, hint = error.client_message
    return ResponseFailure(code=code, message=message, type=error.code, param=error.field, hint=hint)


def _output(answer: Answer, parsed: ResponsesParsed) -> tuple[OutputItem, ...]:
    if parsed.is_compaction:
        return (compaction(answer, parsed),)
    blocks = blocks_of(answer, parsed.request.visibility)
    return tuple([item(parsed, at, block) for at, block in enumerate(blocks)])


def compaction(answer: Answer, parsed: ResponsesParsed) -> CompactionItem:
    """The answer, a summary, as the item that replaces the conversation."""
    return CompactionItem(item_id("compaction", parsed.id, 0), seal_summary(answer.text))


def item(parsed: ResponsesParsed, at: int, block: Block) -> OutputItem:
    """The whole block as item number `at` of the output."""
    id_ = id_of(parsed, at, block)
    if block.kind == "text":
        return MessageItem(
            id=id_, content=(OutputText(block.text, logprobs=with_bytes(block)),), status="completed"
        )
    if block.kind == "call":
        return _call(parsed, id_, block, "completed")
    provider_state = block.provider_state or UNSET
    if parsed.request.visibility == "visible" and block.kind == "thought":
        return ReasoningItem(id=id_, content=(ReasoningText(block.text),), encrypted_content=provider_state)
    return ReasoningItem(
        id=id_, summary=(SummaryText(block.text),) if block.text else (), encrypted_content=provider_state
    )


def with_bytes(block: Block) -> tuple[TokenLogprob, ...]:
    """The log-probabilities of a text's tokens, each with its UTF-8 bytes, which this dialect's clients require."""
    return tuple(
        [
            structs.replace(token, bytes=_bytes(token), top_logprobs=_alternatives(token))
            for token in block.logprobs
        ]
    )


def _alternatives(token: TokenLogprob) -> tuple[TopLogprob, ...]:
    return tuple([structs.replace(other, bytes=_bytes(other)) for other in token.top_logprobs])


def _bytes(token: TopLogprob) -> tuple[int, ...]:
    return tuple(token.token.encode()) if token.bytes is None else token.bytes


def empty_item(parsed: ResponsesParsed, at: int, block: Block) -> OutputItem:
    """The item as it is announced, before any of its text."""
    id_ = id_of(parsed, at, block)
    if block.kind == "text":
        return MessageItem(id=id_, status="in_progress")
    if block.kind == "call":
        return _call(parsed, id_, Block("call", id=block.id, name=block.name), "in_progress")
    return ReasoningItem(id=id_)


def client_tool(parsed: ResponsesParsed, block: Block) -> ClientTool:
    """The client's tool that a call names; an unknown name counts as a function."""
    return parsed.names.get(block.name) or ClientTool(block.name)


def id_of(parsed: ResponsesParsed, at: int, block: Block) -> str:
    """The id of the block's item."""
    custom = block.kind == "call" and client_tool(parsed, block).kind == "custom"
    return item_id("custom_tool_call" if custom else _TYPES[block.kind], parsed.id, at)


def _call(parsed: ResponsesParsed, id_: str, block: Block, status: ItemStatus) -> OutputItem:
    tool = client_tool(parsed, block)
    namespace = tool.namespace or UNSET
    if tool.kind == "custom":
        text = custom_input(block.text)
        return CustomToolCallItem(
            id=id_, call_id=block.id, name=tool.name, namespace=namespace, input=text, status=status
        )
    if tool.kind == "tool_search":
        return ToolSearchCallItem(id=id_, call_id=block.id, arguments=tool_input(block.text), status=status)
    return FunctionCallItem(
        id=id_, call_id=block.id, name=tool.name, namespace=namespace, arguments=block.text, status=status
    )


def usage_block(usage: Usage) -> ResponseUsage:
    """Tokens as this dialect counts them: `output_tokens` holds thinking and answer."""
    return ResponseUsage(
        usage.input, InputDetails(usage.cached), usage.output, OutputDetails(usage.thinking), usage.total
    )


def _incomplete(answer: Answer) -> Incomplete | None:
    reason = _INCOMPLETE.get(answer.end)
    return None if reason is None else Incomplete(reason)
