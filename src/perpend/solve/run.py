"""What was prepared is spent: a strategy's run, a ledger row and an answer."""

import asyncio
import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perpend.accounting.ledger import Scope
from perpend.accounting.prices import together
from perpend.errors import BadRequest, CapReached, DeadlineTooShort, PerpendError
from perpend.solve.call_context import CallContext, Sink
from perpend.solve.client_events import ClientEvents
from perpend.solve.control import Control
from perpend.solve.prepare import SUMMARY_SHARE, Prepared, Recorder, Services
from perpend.solve.progress import ProgressReporter
from perpend.solve.request_context import RequestContext
from perpend.solve.session import RequestSession
from perpend.solve.summarise import Summariser
from perpend.solve.tally import Tally
from perpend.storage.rows import LedgerRow, Status
from perpend.types import (
    COMPLETE,
    Answer,
    BudgetReport,
    Candidate,
    Finished,
    Plan,
    Sampling,
    Started,
    StopReason,
    Thought,
    new_id,
)


class Origin(Struct, frozen=True):
    """Who asked, and through which door."""

    source: str
    key_id: str | None = None


async def run(
    prepared: Prepared,
    services: Services,
    sink: Sink | None = None,
    *,
    log: Sink | None = None,
    control: Control | None = None,
    origin: Origin,
) -> Answer:
    """Spend what was prepared; the ledger row is durable before `Finished` is sunk.

    `sink` hears what a client may see, `log` each call and verdict of each candidate. Raises PerpendError when there is
    nothing to answer with; what was spent by then is in the ledger too.
    """
    running = _Run(prepared, services, origin, sink, log, control)
    try:
        answer = await running.answered()
    except PerpendError as error:
        await _written(services.recorder, running.rows("failed", error_code=error.code))
        raise
    except BaseException:
        services.recorder.write_now(running.rows("cancelled"))
        raise
    await _written(services.recorder, running.rows("finished", answer))
    if sink is not None:
        await sink([Finished(answer)])
    return answer


async def _written(recorder: Recorder, rows: list[LedgerRow]) -> None:
    """In one commit."""
    if len(rows) == 1:
        await recorder.write(rows[0])
    else:
        await asyncio.gather(*map(recorder.write, rows))


class _Run:
    """One request under way."""

    def __init__(
        self,
        prepared: Prepared,
        services: Services,
        origin: Origin,
        sink: Sink | None,
        log: Sink | None,
        control: Control | None,
    ) -> None:
        self.request_id = new_id("req")
        self._prepared = prepared
        self._origin = origin
        self._created_at = datetime.datetime.now(datetime.UTC)
        request, clock, model, budget = prepared.request, prepared.clock, prepared.model, prepared.budget
        money = Scope("request", usd=request.limits.max_cost_usd)
        limit = request.limits.max_output_tokens
        tokens = money.child("tokens", thinking=budget.thinking, output=limit, usd=prepared.usd)
        self._account = Tally(model)
        self._narrator = narrator = ClientEvents(sink, first=request.strategy.stream_candidate == "first")
        terms = RequestContext(
            request,
            prepared.effort,
            prepared.resolve,
            services.resolve,
            services.verifier,
            narrator.unseen,
        )
        means = CallContext(tokens, model, clock, control, narrator.emit, prepared.input_bound, log)
        verifier = request.strategy.verifier or request.verifier
        self._session = RequestSession(terms, self._account, means, verifier, whole=budget)
        if request.progress:
            narrator.pace = ProgressReporter(
                model, budget, clock, lambda: money.cost_usd if model.price.known else None
            )
        if request.visibility == "summary":
            cap = request.limits.max_cost_usd
            share = money.child("summaries", usd=None if cap is None else cap * SUMMARY_SHARE)
            writer, every = services.cheap_model(model), services.summary_every_tokens
            narrator.summariser = Summariser(writer, terms, means, share, every)

    async def answered(self) -> Answer:
        started = Started(
            self.request_id, self._prepared.model.name, self._prepared.plan, self._prepared.budget.thinking
        )
        await self._narrator.tell([started])
        await self._session.means.note(started)
        if self._narrator.pace is None:
            chosen = await self._verified()
        else:
            async with self._narrator.going_on():
                chosen = await self._verified()
        self._account.written_by(chosen)
        return self._answer(chosen)

    async def _verified(self) -> Candidate:
        """The chosen one, verified; what is to be summed up is."""
        summariser = self._narrator.summariser
        try:
            chosen = await self._session.verified(await self._chosen())
            if summariser is not None:
                await summariser.end()
        finally:
            if summariser is not None:
                await summariser.stop()
        return chosen

    async def _chosen(self) -> Candidate:
        """What the strategy chooses, or had by the time it was cut."""
        try:
            return await self._prepared.strategy(self._session, **self._prepared.options)
        except BadRequest:
            raise
        except PerpendError as error:
            if self._account.best is None:
                raise
            self._account.cut = self._account.cut or _cut_by(error)
            return self._account.best

    def _answer(self, chosen: Candidate) -> Answer:
        account = self._account
        thinking, content = chosen.thinking, chosen.content
        thinker = account.shown if self._narrator.thinker is None else self._narrator.thinker
        if thinker is not None and (thinker != chosen.index or thinker != account.shown):
            thinking, thoughts = account.thoughts_of(thinker)
            content = (*thoughts, *(part for part in content if not isinstance(part, Thought)))
        summaries = self._narrator.summariser and self._narrator.summariser.report
        cut = account.cut if account.cut is not None and not chosen.truncated else chosen.stop_reason
        return Answer(
            request_id=self.request_id,
            model=account.model.name,
            model_version=account.model_version or account.model.upstream_name,
            plan=self._plan(),
            budget=self._report(),
            text=chosen.answer,
            thinking=thinking,
            content=content,
            usage=account.usage,
            cost_usd=together((account.cost_usd, summaries.cost_usd if summaries else Decimal(0))),
            truncated=cut not in COMPLETE,
            stop_reason=cut,
            chosen=chosen.index,
            candidates=tuple(sorted(account.candidates, key=lambda candidate: candidate.index)),
            elapsed_s=self._prepared.clock.elapsed_s,
            summary=self._narrator.summary,
            summaries=summaries,
            ignored=(*self._session.request.ignored, *self._left_out()),
        )

    def _left_out(self) -> list[str]:
        """What no model could be asked for; what a strategy wished of sampling isn't the client's."""
        asked: dict[str, Any] = msgspec.to_builtins(self._session.request.sampling)
        return [*(field for field in asked if field in self._account.left_out), *self._refused()]

    def _refused(self) -> list[str]:
        left_out = self._account.left_out
        return sorted(left_out.difference(Sampling.__struct_fields__)) if left_out else []

    def _plan(self) -> Plan:
        """What was decided, before and on the way."""
        plan, refused = self._prepared.plan, self._refused()
        notes = [*self._account.notes, *(f"{name} is refused there" for name in refused)]
        return replace(plan, reason=", ".join((plan.reason, *notes))) if notes else plan

    def _report(self) -> BudgetReport:
        budget, told = self._prepared.budget, self._account.told
        thought_off = told.off and budget.thinking > 0
        return BudgetReport(
            requested_thinking_tokens=budget.requested_thinking,
            sent=told.sent,
            effective_thinking_tokens=0 if thought_off else budget.thinking,
            thinking_tokens_used=self._account.usage.thinking,
            lowered_by=budget.lowered_by or ("model" if thought_off else None),
        )

    def rows(
        self, status: Status, answer: Answer | None = None, *, error_code: str | None = None
    ) -> list[LedgerRow]:
        """The request's, and that of its summaries where there were any."""
        rows = [self._row(status, answer, error_code=error_code)]
        summariser, origin = self._narrator.summariser, self._origin
        if summariser is not None and summariser.account.usage.total:
            rows.append(summariser.account.row("summary", origin.source, origin.key_id, self._created_at))
        return rows

    def _row(
        self, status: Status, answer: Answer | None = None, *, error_code: str | None = None
    ) -> LedgerRow:
        usage, report = self._account.usage, self._report()
        stop: StopReason | None = "cancelled" if status == "cancelled" else None
        return LedgerRow(
            id=self.request_id,
            key_id=self._origin.key_id,
            source=self._origin.source,
            model=self._account.model.name,
            model_version=self._account.model_version,
            provider=self._account.provider,
            created_at=self._created_at,
            finished_at=datetime.datetime.now(datetime.UTC),
            status=status,
            effort=self._prepared.plan.effort,
            strategy=self._prepared.plan.strategy,
            input=usage.input,
            cached=usage.cached,
            thinking=usage.thinking,
            answer=usage.answer,
            cost_usd=self._account.cost_usd,
            requested_thinking=report.requested_thinking_tokens,
            effective_thinking=report.effective_thinking_tokens,
            lowered_by=report.lowered_by,
            truncated=answer.truncated if answer else False,
            stop_reason=answer.stop_reason if answer else stop,
            error_code=error_code,
            elapsed_ms=int(self._prepared.clock.elapsed_s * 1000),
        )


def _cut_by(error: PerpendError) -> StopReason:
    if isinstance(error, DeadlineTooShort):
        return "deadline"
    return "cost_cap" if isinstance(error, CapReached) else "upstream_error"
