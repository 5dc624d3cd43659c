"""What was prepared is spent: a strategy's run, a ledger row and an answer."""

import asyncio

from msgspec.structs import replace

from perpend.accounting.ledger import Scope
from perpend.errors import BadRequest, CapReached, DeadlineTooShort, PerpendError
from perpend.solve.call_context import CallContext, Sink
from perpend.solve.client_events import ClientEvents
from perpend.solve.control import Control
from perpend.solve.final_answer import budget_report, final_answer
from perpend.solve.ledger_entry import LedgerEntry, Origin
from perpend.solve.prepare import SUMMARY_SHARE, Prepared, Recorder, Services
from perpend.solve.progress import ProgressReporter
from perpend.solve.request_context import RequestContext
from perpend.solve.request_outcome import RequestOutcome
from perpend.solve.session import RequestSession
from perpend.solve.summarise import Summariser
from perpend.storage.rows import LedgerRow, Status
from perpend.types import Answer, Candidate, Finished, Started, StopReason


async def run(
    prepared: Prepared,
    services: Services,
    sink: Sink | None = None,
    *,
    log_sink: Sink | None = None,
    control: Control | None = None,
    origin: Origin,
) -> Answer:
    """Spend what was prepared; the ledger row is durable before `Finished` is sunk.

    `sink` hears what a client may see, `log_sink` each call and verdict of each candidate. Raises PerpendError when
    there is nothing to answer with; what was spent by then is in the ledger too.
    """
    running = _Run(prepared, services, origin, sink, log_sink, control)
    try:
        answer = await running.answered()
    except PerpendError as error:
        await _write(services.recorder, running.rows("failed", error_code=error.code))
        raise
    except BaseException:
        services.recorder.write_now(running.rows("cancelled"))
        raise
    await _write(services.recorder, running.rows("finished", answer))
    if sink is not None:
        await sink([Finished(answer)])
    return answer


async def _write(recorder: Recorder, rows: list[LedgerRow]) -> None:
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
        log_sink: Sink | None,
        control: Control | None,
    ) -> None:
        request, clock, model, budget = prepared.request, prepared.clock, prepared.model, prepared.budget
        plan = prepared.plan
        self._prepared = prepared
        self._entry = LedgerEntry(origin, clock, strategy=plan.strategy, effort=plan.effort)
        cap, limit = request.limits.max_cost_usd, request.limits.max_output_tokens
        account = prepared.account
        money = Scope("request", usd=cap, parent=account) if request.visibility == "summary" else None
        scope = Scope(
            "request", thinking=budget.thinking, output=limit, usd=prepared.usd, parent=money or account
        )
        self._outcome = RequestOutcome(model, scope)
        asked = RequestContext(
            request, prepared.effort, prepared.resolve, services.resolve, services.verifier
        )
        progress = ProgressReporter(model, budget, clock, money or scope) if request.progress else None
        summariser = None
        if money is not None:
            share = money.child("summaries", usd=None if cap is None else cap * SUMMARY_SHARE)
            writing = CallContext(share, services.cheap_model(model), clock, None, 0, log_sink=log_sink)
            entry = LedgerEntry(origin, clock, strategy="summary")
            summariser = Summariser(asked, writing, entry, services.summary_every_tokens)
        first = request.strategy.stream_candidate == "first"
        self._events = events = ClientEvents(sink, first=first, progress=progress, summariser=summariser)
        context = CallContext(
            scope, model, clock, control, prepared.input_bound, events.sink, events.hidden_sink, log_sink
        )
        self._session = RequestSession(
            asked,
            self._outcome,
            context,
            request.strategy.verifier or request.verifier,
            whole=budget,
        )

    async def answered(self) -> Answer:
        prepared = self._prepared
        started = Started(self._entry.id, prepared.model.name, prepared.plan, prepared.budget.thinking)
        await self._events.send([started])
        await self._session.call_context.log(started)
        if self._events.plain:
            chosen = await self._session.verifier.verified(await self._chosen())
        else:
            async with self._events.going_on():
                chosen = await self._session.verifier.verified(await self._chosen())
        self._outcome.written_by(chosen)
        return final_answer(self._entry.id, prepared, self._outcome, self._events, chosen)

    async def _chosen(self) -> Candidate:
        """What the strategy chooses, or had by the time it was cut."""
        outcome = self._outcome
        try:
            return await self._prepared.strategy(self._session, **self._prepared.options)
        except BadRequest:
            raise
        except PerpendError as error:
            if outcome.best is None:
                raise
            outcome.cut_by = outcome.cut_by or _cut_by(error)
            return outcome.best

    def rows(
        self, status: Status, answer: Answer | None = None, *, error_code: str | None = None
    ) -> list[LedgerRow]:
        """The request's, and that of its summaries where there were any."""
        outcome = self._outcome
        report = budget_report(self._prepared, outcome) if answer is None else answer.budget
        stop: StopReason | None = "cancelled" if status == "cancelled" else None
        row = replace(
            self._entry.spent(outcome.scope, status, model=outcome.model.name, provider=outcome.provider),
            model_version=outcome.model_version,
            requested_thinking=report.requested_thinking_tokens,
            effective_thinking=report.effective_thinking_tokens,
            lowered_by=report.lowered_by,
            truncated=answer.truncated if answer else False,
            stop_reason=answer.stop_reason if answer else stop,
            error_code=error_code,
        )
        summariser = self._events.summariser
        return [row] if summariser is None else [row, *summariser.rows()]


def _cut_by(error: PerpendError) -> StopReason:
    if isinstance(error, DeadlineTooShort):
        return "deadline"
    return "cost_cap" if isinstance(error, CapReached) else "upstream_error"
