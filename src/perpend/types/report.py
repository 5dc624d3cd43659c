"""The `perpend` object that every answer carries, in every dialect."""

from decimal import Decimal

from msgspec import Struct

from perpend.types.answer import BudgetReport, CacheReport, Plan, SummaryReport
from perpend.types.stop_reason import StopReason
from perpend.types.usage import Usage
from perpend.types.verdict import Verdict


class CandidateReport(Struct, frozen=True):
    answer: str
    score: float | None
    thinking: int
    """Thinking tokens."""
    answer_tokens: int
    cost_usd: Decimal | None
    stop_reason: StopReason
    verdict: Verdict | None
    model: str
    chosen: bool = False
    """It is the answer."""


class PerpendReport(Struct, frozen=True, kw_only=True):
    """What every answer says about itself, beside the dialect's own fields."""

    request_id: str
    model: str
    model_version: str
    plan: Plan
    budget: BudgetReport
    usage: Usage
    cost_usd: Decimal | None
    """Summaries included; null: not known, as a price isn't."""
    summaries: SummaryReport | None = None
    cache: CacheReport | None = None
    """null: the response cache wasn't asked."""
    truncated: bool
    stop_reason: StopReason
    verdict: Verdict | None = None
    """What the request's verifier says of the answer; null: nobody verified it."""
    candidates: list[CandidateReport]
    guards: tuple[()] = ()
    """What guards found: nothing, as there are none yet."""
    ignored: tuple[str, ...]
    """Fields of the request that were passed over, by their paths."""
