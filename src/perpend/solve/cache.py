"""Answers that are given again: what a gateway's cache is to the spine, and how an answer is given a second time."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from perpend.solve.call_context import Sink
from perpend.solve.ledger_entry import LedgerEntry, Origin
from perpend.solve.prepare import Prepared, Recorder
from perpend.types import (
    Answer,
    AnswerDelta,
    AnswerLogprobs,
    CacheReport,
    Event,
    Finished,
    ProviderStateDelta,
    Started,
    SummaryDelta,
    Text,
    ThinkingDelta,
    Thought,
    Usage,
    logprobs_of,
)

MISSED = CacheReport(hit=False)
_NOTHING = Usage()


class KeptAnswer(Struct, frozen=True, array_like=True):
    """An answer without what belongs to its request alone: see `keepable`."""

    answer: Answer
    kept_at: float
    """Seconds since 1970."""


class CacheLookup(Protocol):
    """One request's way through the cache. Who doesn't find an answer says how its own ended."""

    async def find(self) -> KeptAnswer | None:
        """None: make it. Waits while another request makes the same."""
        ...

    async def keep(self, answer: Answer, *, as_prepared: bool) -> None:
        """The request was answered. Not `as_prepared`: less was spent on it than was asked for."""
        ...

    def leave(self, *, failed: bool) -> None:
        """The request ended without an answer: it failed, or nobody waits for it any more."""
        ...


class AnswerCache(Protocol):
    def lookup(self, prepared: Prepared, key_id: str | None) -> CacheLookup | None:
        """None: this request's answer is neither looked up nor kept."""
        ...


def same_work(prepared: Prepared, admitted: Prepared) -> bool:
    """A gate lowered nothing that the answer depends on."""
    return (
        admitted.model is prepared.model
        and admitted.strategy is prepared.strategy
        and admitted.options == prepared.options
        and admitted.effort == prepared.effort
        and admitted.budget == prepared.budget
    )


def keepable(answer: Answer, prepared: Prepared) -> Answer:
    """Without what its request alone said of itself."""
    own_reason, own_ignored = prepared.plan.reason, len(prepared.request.ignored)
    return replace(
        answer,
        request_id="",
        plan=replace(answer.plan, reason=answer.plan.reason.removeprefix(own_reason)),
        ignored=answer.ignored[own_ignored:],
        cache=None,
    )


async def answer_again(
    prepared: Prepared, kept: KeptAnswer, recorder: Recorder, sink: Sink | None, origin: Origin
) -> Answer:
    """Give `kept` to a request that asks the same: under its own id, in the ledger, at no cost. Raises StorageError."""
    plan = prepared.plan
    entry = LedgerEntry(origin, prepared.clock, strategy=plan.strategy, effort=plan.effort)
    answer = _as_answer_to(prepared, kept, entry.id, max(0.0, time.time() - kept.kept_at))
    row = entry.row(_NOTHING, Decimal(0), "finished", model=answer.model, provider=prepared.model.provider)
    report = answer.budget
    row = replace(
        row,
        model_version=answer.model_version,
        requested_thinking=report.requested_thinking_tokens,
        effective_thinking=report.effective_thinking_tokens,
        lowered_by=report.lowered_by,
        stop_reason=answer.stop_reason,
        cache_hit=True,
        saved_tokens=kept.answer.usage.total,
        saved_usd=kept.answer.cost_usd,
    )
    await recorder.write(row)
    if sink is not None:
        await sink([Started(entry.id, prepared.model.name, plan, prepared.budget.thinking)])
        await sink([*_said(answer), Finished(answer)])
    return answer


def _as_answer_to(prepared: Prepared, kept: KeptAnswer, request_id: str, age_s: float) -> Answer:
    """What this request used is nothing; what making the answer took is in its `cache`."""
    was, plan = kept.answer, prepared.plan
    summaries = was.summaries
    return replace(
        was,
        request_id=request_id,
        plan=replace(plan, reason=plan.reason + was.plan.reason),
        budget=replace(
            was.budget,
            requested_thinking_tokens=prepared.budget.requested_thinking,
            thinking_tokens_used=0,
            overdraft=None,
        ),
        usage=_NOTHING,
        cost_usd=Decimal(0),
        elapsed_s=prepared.clock.elapsed_s,
        summaries=summaries and replace(summaries, usage=_NOTHING, cost_usd=Decimal(0)),
        ignored=(*prepared.request.ignored, *was.ignored),
        cache=CacheReport(hit=True, age_s=round(age_s, 3), saved=was.usage, saved_usd=was.cost_usd),
    )


def _said(answer: Answer) -> Iterator[Event]:
    """The answer as events, a part at a time."""
    candidate, logprobs, summary = answer.chosen, answer.logprobs, answer.summary
    for part in answer.content:
        if isinstance(part, Thought):
            if part.text:
                yield ThinkingDelta(part.text, 0, candidate)
                if summary:
                    yield SummaryDelta(summary)
                    summary = ""
            if part.provider_state is not None:
                yield ProviderStateDelta(part.provider_state, "thought", candidate)
        elif isinstance(part, Text):
            if part.text:
                yield AnswerDelta(part.text, 0, candidate)
                told, logprobs = logprobs_of(part.text, logprobs)
                if told:
                    yield AnswerLogprobs([*told], candidate)
            if part.provider_state is not None:
                yield ProviderStateDelta(part.provider_state, "text", candidate)
