"""The `perpend` object that every answer carries, in every dialect."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from perpend.types import Answer, BudgetReport, Plan, StopReason, Usage, Verdict, Visibility

encode = msgspec.json.Encoder(decimal_format="number").encode


class CandidateReport(Struct, frozen=True):
    answer: str
    score: float | None
    thinking: int
    """Thinking tokens."""
    answer_tokens: int
    cost_usd: Decimal
    stop_reason: StopReason
    verdict: Verdict | None
    model: str


class PerpendReport(Struct, frozen=True, kw_only=True):
    """What every answer says about itself beside the dialect's own fields."""

    request_id: str
    model: str
    model_version: str
    plan: Plan
    budget: BudgetReport
    usage: Usage
    cost_usd: Decimal
    truncated: bool
    stop_reason: StopReason
    candidates: list[CandidateReport]
    guards: list[dict[str, Any]]


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
            CandidateReport(
                c.answer,
                c.score,
                c.usage.thinking,
                c.usage.answer,
                c.cost_usd,
                c.stop_reason,
                c.verdict,
                c.model,
            )
            for c in answer.candidates
        ],
        guards=[],
    )


def shown_thinking(answer: Answer, visibility: Visibility) -> str:
    """What of the thinking a client with this visibility may read."""
    if visibility == "visible":
        return answer.thinking
    return answer.summary if visibility == "summary" else ""
