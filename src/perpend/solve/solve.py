"""The spine: a request becomes a plan, a budget, a strategy's run, a ledger row and an answer."""

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.accounting.ledger import Scope
from perpend.accounting.prices import together
from perpend.errors import BadRequest, CapReached, DeadlineTooShort, PerpendError
from perpend.solve.call_context import CallContext, Sink
from perpend.solve.client_events import ClientEvents
from perpend.solve.control import Clock, Control
from perpend.solve.count import bounded_input
from perpend.solve.documents import ReadPDF, readable, unread
from perpend.solve.fallback import Resolve
from perpend.solve.model import ServedModel
from perpend.solve.plan import asked, plan_for, resolved, wanted
from perpend.solve.progress import ProgressReporter
from perpend.solve.request_context import RequestContext, check_verifiers, require_price
from perpend.solve.session import RequestSession
from perpend.solve.summarise import Summariser
from perpend.solve.tally import Tally
from perpend.solve.truncate import truncated
from perpend.storage.tables import LedgerRow, Status
from perpend.strategies import Strategy, with_options
from perpend.types import (
    COMPLETE,
    Answer,
    BudgetReport,
    Candidate,
    Effort,
    Finished,
    Plan,
    Request,
    Sampling,
    Started,
    StopReason,
    Thought,
    VerifierSpec,
    new_id,
)
from perpend.verifiers import Verifier

_SUMMARY_SHARE = Decimal("0.1")
"""Of a dollar cap, for summaries; the rest can't be taken from the answer."""


class Recorder(Protocol):
    """Where ledger rows go: durable when `write` returns."""

    def check(self) -> None:
        """Raises StoreUnavailable where the next row couldn't be written."""
        ...

    async def write(self, row: LedgerRow) -> None: ...

    def write_now(self, rows: list[LedgerRow]) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What solving needs from the rest of the house; `runtime` wires it."""

    resolve: Callable[[str | None], ServedModel]
    """A model by name, None for the default; raises NotFound."""
    recorder: Recorder
    default_effort: Effort
    cheap_model: Callable[[ServedModel], ServedModel]
    """For summaries beside the model that answers."""
    verifier: Callable[[VerifierSpec], Verifier]
    """What checks candidates; raises BadRequest."""
    summary_every_tokens: int
    read_pdf: ReadPDF = unread
    """What documents that a request brings say."""


class Origin(Struct, frozen=True):
    """Who asked, and through which door."""

    source: str
    key_id: str | None = None


async def solve(
    request: Request,
    services: Services,
    sink: Sink | None = None,
    *,
    log: Sink | None = None,
    control: Control | None = None,
    origin: Origin,
) -> Answer:
    """Answer `request`, streaming events to `sink`; the ledger row is durable before `Finished` is sunk.

    `sink` hears what a client may see, `log` each call and verdict of each candidate. Raises PerpendError when there is
    nothing to answer with; what was spent by then is in the ledger too.
    """
    services.recorder.check()
    services.resolve(request.model)  # who isn't served is told before a document is read
    clock = Clock(request.limits.deadline_ms)
    request = await readable(request, services.read_pdf, clock.deadline)
    if request.shortens:
        request = await truncated(request, services.resolve(request.model))
    prepared = await _prepare(request, services, clock)
    solving = _Solving(request, services, prepared, origin, sink, log, control)
    try:
        answer = await solving.run()
    except PerpendError as error:
        await _written(services.recorder, solving.rows("failed", error_code=error.code))
        raise
    except BaseException:
        services.recorder.write_now(solving.rows("cancelled"))
        raise
    await _written(services.recorder, solving.rows("finished", answer))
    if sink is not None:
        await sink([Finished(answer)])
    return answer


async def _written(recorder: Recorder, rows: list[LedgerRow]) -> None:
    """In one commit."""
    if len(rows) == 1:
        await recorder.write(rows[0])
    else:
        await asyncio.gather(*map(recorder.write, rows))


class _Prepared(Struct, frozen=True):
    """Decided, and refused where it's wrong, before anything is spent."""

    strategy: Strategy
    options: dict[str, Any]
    clock: Clock
    model: ServedModel
    plan: Plan
    effort: Effort
    """What models are asked for; each takes the nearest that it has."""
    budget: TokenBudget
    resolve: Resolve
    """The budget under other limits: those that are left when a request samples again, or of another model."""
    input_bound: int
    usd: Decimal | None
    """The cap, less what summaries may take of it."""


async def _prepare(request: Request, services: Services, clock: Clock) -> _Prepared:
    model = services.resolve(request.model)
    plan = plan_for(request, model, services.default_effort)
    effort, limits = wanted(request, plan, services.default_effort)
    strategy, options = with_options(request.strategy)
    require_price(request, model)
    await check_verifiers(request, services.verifier, services.resolve, clock.halfway)
    most = max(model.effort_tokens[effort], limits.max_thinking_tokens or 0) + model.answer_tokens
    bound = await bounded_input(request, model, request.messages, wanted=most)
    if request.visibility == "summary" and limits.max_cost_usd is not None:
        limits = replace(limits, max_cost_usd=limits.max_cost_usd * (1 - _SUMMARY_SHARE))
    resolve = resolved(effort)
    budget = asked(request, resolve(model, bound, limits), effort)
    if budget.output < (limits.max_output_tokens or 0) and budget.output == model.bounds.output:
        reason = f"{plan.reason}, at most the {budget.output} tokens that the model writes"
        plan = replace(plan, reason=reason)
    return _Prepared(
        strategy, options, clock, model, plan, effort, budget, resolve, bound, limits.max_cost_usd
    )


class _Solving:
    """One request under way."""

    def __init__(
        self,
        request: Request,
        services: Services,
        prepared: _Prepared,
        origin: Origin,
        sink: Sink | None,
        log: Sink | None,
        control: Control | None,
    ) -> None:
        self.request_id = new_id("req")
        self._prepared = prepared
        self._origin = origin
        self._created_at = datetime.datetime.now(datetime.UTC)
        clock, model, budget = prepared.clock, prepared.model, prepared.budget
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
            share = money.child("summaries", usd=None if cap is None else cap * _SUMMARY_SHARE)
            writer, every = services.cheap_model(model), services.summary_every_tokens
            narrator.summariser = Summariser(writer, terms, means, share, every)

    async def run(self) -> Answer:
        started = Started(
            self.request_id, self._prepared.model.name, self._prepared.plan, self._prepared.budget.thinking
        )
        await self._narrator.tell([started])
        await self._session.means.note(started)
        if self._narrator.pace is None:
            chosen = await self._told()
        else:
            async with self._narrator.going_on():
                chosen = await self._told()
        self._account.written_by(chosen)
        return self._answer(chosen)

    async def _told(self) -> Candidate:
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
