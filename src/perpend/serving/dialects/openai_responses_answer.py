"""From an `Answer` to the body of a response; the stream's last event carries the same one."""

from typing import Literal

from msgspec import structs

from perpend.errors import PerpendError, PromptTooLong
from perpend.serving.dialects.blocks import Block, blocks_of
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import (
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
)
from perpend.serving.dialects.report import perpend_block
from perpend.types import Answer, Ending, Usage, Visibility

_FAILURES: dict[str, FailureCode] = {PromptTooLong.code: "context_length_exceeded"}
_INCOMPLETE: dict[Ending, Literal["max_output_tokens", "content_filter"]] = {
    "cut": "max_output_tokens",
    "content_filter": "content_filter",
}
_IDS = {"thought": "rs", "carry": "rs", "text": "msg", "call": "fc"}


def response(answer: Answer, parsed: ResponsesParsed) -> ResponseBody:
    shown = parsed.request.visibility
    blocks = blocks_of(answer, shown)
    ended = _incomplete(answer)
    return ResponseBody(
        **structs.asdict(parsed.echo),
        id=parsed.id,
        created_at=parsed.created_at,
        completed_at=parsed.created_at + round(answer.elapsed_s),
        status="completed" if ended is None else "incomplete",
        incomplete_details=ended,
        model=answer.plan.model,
        output=tuple([item(parsed.id, at, block, shown) for at, block in enumerate(blocks)]),
        usage=usage_block(answer.usage),
        perpend=perpend_block(answer),
    )


def unfinished(parsed: ResponsesParsed, status: ResponseState, model: str | None = None) -> ResponseBody:
    """A response that has no answer yet."""
    return ResponseBody(
        **structs.asdict(parsed.echo),
        id=parsed.id,
        created_at=parsed.created_at,
        status=status,
        model=model or parsed.request.model or "",
    )


def failed(error: PerpendError, parsed: ResponsesParsed) -> ResponseBody:
    return structs.replace(unfinished(parsed, "failed"), error=failure_of(error))


def failure_of(error: PerpendError) -> ResponseFailure:
    usual = "invalid_prompt" if error.status < 500 else "server_error"
    code = _FAILURES.get(error.code) or ("rate_limit_exceeded" if error.status == 429 else usual)
    return ResponseFailure(
        code=code, message=error.message, type=error.code, param=error.field, hint=error.hint
    )


def item(response_id: str, at: int, block: Block, visibility: Visibility) -> OutputItem:
    """The block as an item of the output, complete."""
    id_ = item_id(response_id, at, block)
    if block.kind == "text":
        return MessageItem(id=id_, content=(OutputText(block.text),), status="completed")
    if block.kind == "call":
        return FunctionCallItem(
            id=id_, call_id=block.id, name=block.name, arguments=block.text, status="completed"
        )
    if visibility == "visible" and block.kind == "thought":
        content = (ReasoningText(block.text),)
        return ReasoningItem(
            id=id_, content=content, encrypted_content=block.carry or None, status="completed"
        )
    summary = (SummaryText(block.text),) if block.text else ()
    return ReasoningItem(id=id_, summary=summary, encrypted_content=block.carry or None, status="completed")


def empty_item(response_id: str, at: int, block: Block) -> OutputItem:
    """The item as it is before any of its text."""
    id_ = item_id(response_id, at, block)
    status: ItemStatus = "in_progress"
    if block.kind == "text":
        return MessageItem(id=id_, status=status)
    if block.kind == "call":
        return FunctionCallItem(id=id_, call_id=block.id, name=block.name, status=status)
    return ReasoningItem(id=id_, status=status)


def item_id(response_id: str, at: int, block: Block) -> str:
    return f"{_IDS[block.kind]}_{response_id.removeprefix('resp_')}_{at}"


def usage_block(usage: Usage) -> ResponseUsage:
    return ResponseUsage(
        usage.input, InputDetails(usage.cached), usage.output, OutputDetails(usage.thinking), usage.total
    )


def _incomplete(answer: Answer) -> Incomplete | None:
    reason = _INCOMPLETE.get(answer.ending)
    return None if reason is None else Incomplete(reason)
