"""A request becomes a plan, a budget and a strategy, or is refused: before a token is spent."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget
from perpend.accounting.ledger import Scope
from perpend.solve.control import Clock
from perpend.solve.count import bounded_input
from perpend.solve.documents import ReadPDF, readable, unread
from perpend.solve.fallback import Resolve
from perpend.solve.model import ServedModel
from perpend.solve.plan import asked, plan_for, resolved, wanted
from perpend.solve.request_context import Chosen, check_verifiers, require_price
from perpend.solve.truncate import truncated
from perpend.storage.rows import LedgerRow
from perpend.strategies import Strategy, with_options
from perpend.types import (
    CacheReport,
    Effort,
    Limits,
    Plan,
    Request,
    VerifierSpec,
)
from perpend.verifiers import Verifier

SUMMARY_SHARE = Decimal("0.1")
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


class Prepared(Struct, frozen=True):
    """What is known of a request before a token is spent: everything that is wrong with it was refused."""

    request: Request
    """Its documents read, and shortened where it may be."""
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
    cache: CacheReport | None = None
    """What the response cache has for it, where it was asked."""
    account: Scope | None = None
    """What all of it is spent under, summaries too; None: nobody above the request counts."""


async def prepare(request: Request, services: Services) -> Prepared:
    """Its time begins here.

    Raises PerpendError for what can't be answered, StoreUnavailable where its ledger row couldn't be written.
    """
    services.recorder.check()
    model = services.resolve(request.model)  # who isn't served is told before a document is read
    clock = Clock(request.limits.deadline_ms)
    request = await readable(request, services.read_pdf, clock.deadline)
    if request.auto_truncate:
        request = await truncated(request, model)
    chosen = with_options(request.strategy)
    require_price(request, model)
    await check_verifiers(request, chosen, services.verifier, services.resolve, clock.halfway)
    plan = plan_for(request, model, services.default_effort)
    effort, limits = wanted(request, plan, services.default_effort)
    most = max(model.effort_tokens[effort], limits.max_thinking_tokens or 0) + model.answer_tokens
    bound = await bounded_input(request, model, request.messages, wanted=most)
    return budgeted(request, model, clock, chosen, bound, plan, (effort, limits))


def budgeted(
    request: Request,
    model: ServedModel,
    clock: Clock,
    chosen: Chosen,
    bound: int,
    plan: Plan,
    wanted: tuple[Effort, Limits],
) -> Prepared:
    """A request that was read, of a prompt of at most `bound` tokens, with the budget that follows from its plan.

    Raises CapReached and PromptTooLong.
    """
    effort, limits = wanted
    if request.visibility == "summary" and limits.max_cost_usd is not None:
        limits = replace(limits, max_cost_usd=limits.max_cost_usd * (1 - SUMMARY_SHARE))
    resolve = resolved(effort)
    budget = asked(request, resolve(model, bound, limits), effort)
    if budget.output < (limits.max_output_tokens or 0) and budget.output == model.bounds.output:
        reason = f"{plan.reason}, at most the {budget.output} tokens that the model writes"
        plan = replace(plan, reason=reason)
    strategy, options = chosen
    return Prepared(
        request=request,
        strategy=strategy,
        options=options,
        clock=clock,
        model=model,
        plan=plan,
        effort=effort,
        budget=budget,
        resolve=resolve,
        input_bound=bound,
        usd=limits.max_cost_usd,
    )
