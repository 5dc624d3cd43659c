"""From an `Answer` to the body of a response; the stream's last event carries the same one."""

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
    ended = _incomplete(answer)
    return ResponseBody(
        **structs.asdict(parsed.echo),
        id=parsed.id,
        created_at=parsed.created_at,
        completed_at=parsed.created_at + round(answer.elapsed_s),
        status="completed" if ended is None else "incomplete",
        incomplete_details=ended,
        model=answer.plan.model,
        output=_output(answer, parsed),
        usage=usage_block(answer.usage),
        perpend=perpend_block(answer),
    )


def unanswered_response(
    parsed: ResponsesParsed, status: ResponseState, model: str | None = None
) -> ResponseBody:
    """A response that has no answer yet."""
    return ResponseBody(
        **structs.asdict(parsed.echo),
        id=parsed.id,
        created_at=parsed.created_at,
        status=status,
        model=model or parsed.request.model or "",
    )


def failed_response(error: PerpendError, parsed: ResponsesParsed) -> ResponseBody:
    return structs.replace(unanswered_response(parsed, "failed"), error=failure_of(error))


def failure_of(error: PerpendError) -> ResponseFailure:
    usual = "invalid_prompt" if error.status < 500 else "server_error"
    code = _FAILURES.get(error.code) or ("rate_limit_exceeded" if error.status == 429 else usual)
    message, hint = error.client_message
    return ResponseFailure(code=code, message=message, type=error.code, param=error.field, hint=hint)


def _output(answer: Answer, parsed: ResponsesParsed) -> tuple[OutputItem, ...]:
    if parsed.compacts:
        return (compaction(answer, parsed),)
    blocks = blocks_of(answer, parsed.request.visibility)
    return tuple([item(parsed, at, block) for at, block in enumerate(blocks)])


def compaction(answer: Answer, parsed: ResponsesParsed) -> CompactionItem:
    return CompactionItem(item_id("compaction", parsed.id, 0), seal_summary(answer.text))


def item(parsed: ResponsesParsed, at: int, block: Block) -> OutputItem:
    """The block as an item of the output, complete."""
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
    """A text's, each with its bytes: this dialect's clients count on them."""
    return tuple([structs.replace(one, bytes=_bytes(one), top_logprobs=_each(one)) for one in block.logprobs])


def _each(one: TokenLogprob) -> tuple[TopLogprob, ...]:
    return tuple([structs.replace(other, bytes=_bytes(other)) for other in one.top_logprobs])


def _bytes(one: TopLogprob) -> tuple[int, ...]:
    return tuple(one.token.encode()) if one.bytes is None else one.bytes


def empty_item(parsed: ResponsesParsed, at: int, block: Block) -> OutputItem:
    """The item as it is before any of its text."""
    id_ = id_of(parsed, at, block)
    if block.kind == "text":
        return MessageItem(id=id_, status="in_progress")
    if block.kind == "call":
        return _call(parsed, id_, Block("call", id=block.id, name=block.name), "in_progress")
    return ReasoningItem(id=id_)


def client_tool(parsed: ResponsesParsed, block: Block) -> ClientTool:
    """The tool of a call, as the client knows it; one that it doesn't know is a function."""
    return parsed.names.get(block.name) or ClientTool(block.name)


def id_of(parsed: ResponsesParsed, at: int, block: Block) -> str:
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
    return ResponseUsage(
        usage.input, InputDetails(usage.cached), usage.output, OutputDetails(usage.thinking), usage.total
    )


def _incomplete(answer: Answer) -> Incomplete | None:
    reason = _INCOMPLETE.get(answer.end)
    return None if reason is None else Incomplete(reason)
