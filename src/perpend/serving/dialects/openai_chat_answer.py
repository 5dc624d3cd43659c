"""From an `Answer` to the body of a chat completion; the stream's last chunk carries the same blocks."""

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
    """The JSON body of `answer`; `created` is seconds since 1970, now by default.

    `functions`: tool calls are told as clients know them that sent functions; `custom`: the tools of free text.
    """
    completion = ChatCompletion(
        id=f"chatcmpl-{answer.request_id}",
        created=int(time.time()) if created is None else created,
        model=answer.plan.model,
        choices=[
            Choice(
                index,
                reply(said, visibility, functions=functions, custom=custom),
                finish_reason(said, functions=functions),
                ChoiceLogprobs(said.logprobs) if said.logprobs else UNSET,
            )
            for index, said in enumerate([answer, *other_choices(answer)])
        ],
        usage=usage_block(answer),
        perpend=perpend_block(answer),
    )
    return encode(completion)


def other_choices(answer: Answer) -> list[Answer]:
    """The choices beside the answer, each as if it were the answer: all that says something was wanted."""
    if answer.plan.strategy != "samples":
        return []
    return [
        replace(
            answer,
            text=one.answer,
            thinking=one.thinking,
            summary="",
            content=one.content,
            stop_reason=one.stop_reason,
            chosen=one.index,
        )
        for one in answer.candidates
        if one.index != answer.chosen and one.content
    ]


def reply(answer: Answer, visibility: Visibility, *, functions: bool, custom: frozenset[str]) -> ReplyMessage:
    """What the assistant says in one choice."""
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
    """What vendors want back, in its order."""
    details: list[ReasoningDetail] = []
    shown = 0
    for part in answer.content:
        provider_state = part.provider_state if isinstance(part, Thought | Text | ToolUse) else None
        began = shown
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
                span=(began, shown) if isinstance(part, Thought) and visibility == "visible" else UNSET,
                tool_call=part.id if isinstance(part, ToolUse) else UNSET,
            )
        )
    return details


def finish_reason(answer: Answer, *, functions: bool = False) -> FinishReason:
    reason = _FINISH[answer.end]
    return "function_call" if functions and reason == "tool_calls" else reason


def last_chunk(answer: Answer, head: bytes, *, apart: bool) -> list[bytes]:
    """The end of a stream after its last choice; `apart`: in a chunk of its own, without choices."""
    begun = [b"}\n\n", head, b',"choices":[]'] if apart else []
    usage, perpend = encode(usage_block(answer)), encode(perpend_block(answer))
    return [*begun, b',"usage":', usage, b',"perpend":', perpend, b"}\n\n", sse.DONE]


def usage_block(answer: Answer) -> ChatUsage:
    usage = answer.usage
    details = CompletionDetails(usage.thinking)
    return ChatUsage(usage.input, usage.output, usage.total, PromptDetails(usage.cached), details)
