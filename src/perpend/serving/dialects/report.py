"""An answer's `perpend` object, and the part of its thinking that is shown."""

import msgspec

from perpend.types import Answer, CandidateReport, PerpendReport, Visibility

encode = msgspec.json.Encoder(decimal_format="number").encode


def perpend_block(answer: Answer) -> PerpendReport:
    """The `perpend` object, the same in every dialect, streamed or not."""
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
                candidate.answer,
                candidate.score,
                candidate.usage.thinking,
                candidate.usage.answer,
                candidate.cost_usd,
                candidate.stop_reason,
                candidate.verdict,
                candidate.model,
                candidate.index == answer.chosen,
            )
            for candidate in answer.candidates
        ],
        ignored=answer.ignored,
    )


def shown_thinking(answer: Answer, visibility: Visibility) -> str:
    """The thinking, its summary or nothing, as the client's visibility allows."""
    if visibility == "visible":
        return answer.thinking
    return answer.summary if visibility == "summary" else ""
