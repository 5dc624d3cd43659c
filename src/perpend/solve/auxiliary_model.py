"""A model to ask outside any request, such as for `perpend verify`: its tokens are in a ledger row of their own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from perpend.accounting.ledger import Scope
from perpend.solve.auxiliary_call import AuxiliaryCalls
from perpend.solve.call_context import CallContext
from perpend.solve.control import Clock
from perpend.solve.ledger_entry import LedgerEntry, Origin
from perpend.solve.plan import resolved
from perpend.solve.prepare import Services
from perpend.solve.request_context import RequestContext
from perpend.solve.request_outcome import RequestOutcome
from perpend.types import Request


@asynccontextmanager
async def asking(
    model: str | None, services: Services, origin: Origin
) -> AsyncGenerator[AuxiliaryCalls, None]:
    """Raises NotFound. The row is written in the end, unless nothing was asked."""
    served = services.resolve(model)
    scope, clock = Scope("auxiliary"), Clock(None)
    entry = LedgerEntry(origin, clock, strategy="aside")
    request_context = RequestContext(
        Request(messages=()), "none", resolved("none"), services.resolve, services.verifier
    )
    context = CallContext(scope, served, clock, None, 0)
    try:
        yield AuxiliaryCalls(request_context, RequestOutcome(served, scope), context)
    finally:
        if scope.usage.total:
            row = entry.spent(scope, "finished", model=served.name, provider=served.provider)
            await services.recorder.write(row)
