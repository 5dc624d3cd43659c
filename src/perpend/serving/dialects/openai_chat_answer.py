"""Render an `Answer` as the body of a chat completion; the stream's last chunk carries the same blocks."""

import time

from msgspec import UNSET
from msgspec.structs import replace

from perpend.serving import sse
from perpend.serving.dialects.openai_chat_custom import call_of
from perpend.serving.dialects.openai_chat_schema import (
    ChatCompletion,
    ChatUsage,
    Choice,
    ChoiceLogprobs,
    CompletionDetails,
    FinishReason,
    PromptDetails,
    ReasoningDetail,
    ReplyMessage,
)
from perpend.serving.dialects.report import encode, perpend_block, shown_thinking
from perpend.types import Answer, AnswerEnd, Text, Thought, ToolUse, Visibility

_FINISH: dict[AnswerEnd, FinishReason] = {
    "whole": "stop",
    "stop_sequence": "stop",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "cut": "length",
}


def completion_body(
    answer: Answer,
    visibility: Visibility,
    created: int | None = None,
    *,
    functions: bool = False,
    custom: frozenset[str] = frozenset(),
) -> bytes:
    """The JSON body of `answer` (OpenAI's API reference, "The chat completion object").

    `created` is in seconds since 1970, now by default. With `functions`, a tool call is sent as `function_call`, for
    clients that send `functions`. `custom` names the custom tools.
    """
    completion = ChatCompletion(
        id=f"chatcmpl-{answer.request_id}",
        created=int(time.time()) if created is None else created,
        model=answer.plan.model,
        choices=[
            Choice(
                index,
                reply(choice, visibility, functions=functions, custom=custom),
                finish_reason(choice, functions=functions),
                ChoiceLogprobs(choice.logprobs) if choice.logprobs else UNSET,
            )
            for index, choice in enumerate([answer, *other_choices(answer)])
        ],
        usage=usage_block(answer),
        perpend=perpend_block(answer),
    )
    return encode(completion)


def other_choices(answer: Answer) -> list[Answer]:
    """The choices beside the answer, each in the form of an answer: with `n`, every candidate that has content."""
    if answer.plan.strategy != "samples":
        return []
    return [
        replace(
            answer,
            text=candidate.answer,
            thinking=candidate.thinking,
            summary="",
            content=candidate.content,
            stop_reason=candidate.stop_reason,
            chosen=candidate.index,
        )
        for candidate in answer.candidates
        if candidate.index != answer.chosen and candidate.content
    ]


def reply(answer: Answer, visibility: Visibility, *, functions: bool, custom: frozenset[str]) -> ReplyMessage:
    """The message of one choice."""
    calls = [call_of(call, custom) for call in answer.tool_calls]
    return ReplyMessage(
        "assistant",
        answer.text,
        shown_thinking(answer, visibility) or UNSET,
        reasoning_details=reasoning_details(answer, visibility) or UNSET,
        tool_calls=UNSET if functions else calls or UNSET,
        function_call=(calls[0].function or UNSET) if functions and calls else UNSET,
    )


def reasoning_details(answer: Answer, visibility: Visibility) -> list[ReasoningDetail]:
    """The provider states of an answer in their order, with the characters of shown thinking that each belongs to."""
    details: list[ReasoningDetail] = []
    shown = 0
    for part in answer.content:
        provider_state = part.provider_state if isinstance(part, Thought | Text | ToolUse) else None
        start = shown
        if isinstance(part, Thought) and visibility == "visible":
            shown += len(part.text)
        if provider_state is None:
            continue
        details.append(
            ReasoningDetail(
                index=len(details),
                part="thought"
                if isinstance(part, Thought)
                else "text"
                if isinstance(part, Text)
                else "tool_call",
                origin=provider_state.origin,
                data=provider_state.data,
                span=(start, shown) if isinstance(part, Thought) and visibility == "visible" else UNSET,
                tool_call=part.id if isinstance(part, ToolUse) else UNSET,
            )
        )
    return details


def finish_reason(answer: Answer, *, functions: bool = False) -> FinishReason:
    """OpenAI's word for how the answer ended."""
    reason = _FINISH[answer.end]
    return "function_call" if functions and reason == "tool_calls" else reason


def last_chunk(answer: Answer, head: bytes, *, separate: bool) -> list[bytes]:
    """The end of a stream after its last choice; with `separate` as a chunk of its own, without choices."""
    opening = [b"}\n\n", head, b',"choices":[]'] if separate else []
    usage, perpend = encode(usage_block(answer)), encode(perpend_block(answer))
    return [*opening, b',"usage":', usage, b',"perpend":', perpend, b"}\n\n", sse.DONE]


def usage_block(answer: Answer) -> ChatUsage:
    """Tokens as OpenAI counts them: `completion_tokens` holds thinking and answer."""
    usage = answer.usage
    details = CompletionDetails(usage.thinking)
    return ChatUsage(usage.input, usage.output, usage.total, PromptDetails(usage.cached), details)
