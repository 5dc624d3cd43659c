"""The answer to a request, with its plan and its budget's account, from what the request has come to."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from perpend.accounting.prices import together
from perpend.solve.client_events import ClientEvents
from perpend.solve.prepare import Prepared
from perpend.solve.request_outcome import RequestOutcome
from perpend.types import (
    COMPLETE,
    Answer,
    BudgetReport,
    Candidate,
    Overdraft,
    Plan,
    Sampling,
    Thought,
)


def final_answer(
    request_id: str, prepared: Prepared, outcome: RequestOutcome, events: ClientEvents, chosen: Candidate
) -> Answer:
    thinking, content = chosen.thinking, chosen.content
    thinker = outcome.shown if events.thinker is None else events.thinker
    if thinker is not None and (thinker != chosen.index or thinker != outcome.shown):
        thinking, thoughts = outcome.thoughts_of(thinker)
        content = (*thoughts, *(part for part in content if not isinstance(part, Thought)))
    summaries = events.summariser and events.summariser.report
    cut = outcome.cut_by if outcome.cut_by is not None and not chosen.truncated else chosen.stop_reason
    scope = outcome.scope
    return Answer(
        request_id=request_id,
        model=outcome.model.name,
        model_version=outcome.model_version or outcome.model.upstream_name,
        plan=_plan(prepared, outcome),
        budget=budget_report(prepared, outcome),
        text=chosen.answer,
        thinking=thinking,
        content=content,
        usage=scope.usage,
        cost_usd=together((scope.cost_usd, summaries.cost_usd if summaries else Decimal(0))),
        truncated=cut not in COMPLETE,
        stop_reason=cut,
        chosen=chosen.index,
        candidates=tuple(sorted(outcome.candidates, key=lambda candidate: candidate.index)),
        elapsed_s=prepared.clock.elapsed_s,
        summary=events.summary,
        summaries=summaries,
        cache=prepared.cache,
        ignored=(*prepared.request.ignored, *_left_out(prepared, outcome)),
    )


def budget_report(prepared: Prepared, outcome: RequestOutcome) -> BudgetReport:
    budget, sent_thinking = prepared.budget, outcome.sent_thinking
    usage, excess = outcome.scope.usage, outcome.scope.excess
    thought_off = sent_thinking.off and budget.thinking > 0
    overdraft = None
    if excess.output or excess.usd:
        overdraft = Overdraft(
            thinking_tokens=excess.thinking, answer_tokens=excess.answer, cost_usd=excess.usd
        )
    return BudgetReport(
        requested_thinking_tokens=budget.requested_thinking,
        sent=sent_thinking.sent,
        effective_thinking_tokens=0 if thought_off else budget.thinking,
        thinking_tokens_used=usage.thinking,
        lowered_by=budget.lowered_by or ("model" if thought_off else None),
        overdraft=overdraft,
    )


def _plan(prepared: Prepared, outcome: RequestOutcome) -> Plan:
    """What was decided, before and on the way."""
    plan = prepared.plan
    notes = [*outcome.notes, *(f"{name} is refused there" for name in _refused(outcome))]
    return replace(plan, reason=", ".join((plan.reason, *notes))) if notes else plan


def _left_out(prepared: Prepared, outcome: RequestOutcome) -> list[str]:
    """What no model could be asked for; what a strategy wished of sampling isn't the client's."""
    if not outcome.left_out:
        return []
    asked: dict[str, Any] = msgspec.to_builtins(prepared.request.sampling)
    return [*(field for field in asked if field in outcome.left_out), *_refused(outcome)]


def _refused(outcome: RequestOutcome) -> list[str]:
    left_out = outcome.left_out
    return sorted(left_out.difference(Sampling.__struct_fields__)) if left_out else []
