"""From an `Answer` to the body of a chat completion; the stream's last chunk carries the same blocks."""

import time

import msgspec
from msgspec import UNSET

from perpend.serving.dialects.openai_chat_schema import (
    CandidateReport,
    ChatCompletion,
    ChatUsage,
    Choice,
    CompletionDetails,
    FinishReason,
    PerpendReport,
    PromptDetails,
    ReplyMessage,
)
from perpend.types import Answer, Visibility

encode = msgspec.json.Encoder(decimal_format="number").encode


def completion_body(answer: Answer, visibility: Visibility, created: int | None = None) -> bytes:
    """The JSON body of `answer`; `created` is seconds since 1970, now by default."""
    message = ReplyMessage("assistant", answer.text, shown_thinking(answer, visibility) or UNSET)
    completion = ChatCompletion(
        id=f"chatcmpl-{answer.request_id}",
        created=int(time.time()) if created is None else created,
        model=answer.plan.model,
        choices=[Choice(0, message, finish_reason(answer))],
        usage=usage_block(answer),
        perpend=perpend_block(answer),
    )
    return encode(completion)


def shown_thinking(answer: Answer, visibility: Visibility) -> str:
    """What of the thinking a client with this visibility may read."""
    if visibility == "visible":
        return answer.thinking
    return answer.summary if visibility == "summary" else ""


def finish_reason(answer: Answer) -> FinishReason:
    return "length" if answer.stop_reason == "answer_tokens" else "stop"


def usage_block(answer: Answer) -> ChatUsage:
    usage = answer.usage
    details = CompletionDetails(usage.thinking)
    return ChatUsage(usage.input, usage.output, usage.total, PromptDetails(usage.cached), details)


def perpend_block(answer: Answer) -> PerpendReport:
    return PerpendReport(
        request_id=answer.request_id,
        model=answer.model,
        model_version=answer.model_version,
        plan=answer.plan,
        budget=answer.budget,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        truncated=answer.truncated,
        stop_reason=answer.stop_reason,
        candidates=[
            CandidateReport(c.answer, c.score, c.usage.thinking, c.usage.answer) for c in answer.candidates
        ],
        guards=[],
    )
