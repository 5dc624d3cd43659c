"""An answer's `perpend` object, and what of its thinking is shown."""

import msgspec

from perpend.types import Answer, CandidateReport, PerpendReport, Visibility

encode = msgspec.json.Encoder(decimal_format="number").encode


def perpend_block(answer: Answer) -> PerpendReport:
    """The same in every dialect, streamed and whole."""
    return PerpendReport(
        request_id=answer.request_id,
        model=answer.model,
        model_version=answer.model_version,
        plan=answer.plan,
        budget=answer.budget,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        summaries=answer.summaries,
        cache=answer.cache,
        truncated=answer.truncated,
        stop_reason=answer.stop_reason,
        verdict=answer.verdict,
        candidates=[
            CandidateReport(
                c.answer,
                c.score,
                c.usage.thinking,
                c.usage.answer,
                c.cost_usd,
                c.stop_reason,
                c.verdict,
                c.model,
                c.index == answer.chosen,
            )
            for c in answer.candidates
        ],
        ignored=answer.ignored,
    )


def shown_thinking(answer: Answer, visibility: Visibility) -> str:
    """What of the thinking a client with this visibility may read."""
    if visibility == "visible":
        return answer.thinking
    return answer.summary if visibility == "summary" else ""
