"""A model to ask outside any request, such as for `perpend verify`: its tokens are in a ledger row of their own."""

import datetime
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from perpend.accounting.ledger import Scope
from perpend.solve.auxiliary_call import AuxiliaryCalls
from perpend.solve.call_context import CallContext, silent
from perpend.solve.control import Clock
from perpend.solve.plan import resolved
from perpend.solve.prepare import Services
from perpend.solve.request_context import RequestContext
from perpend.solve.run import Origin
from perpend.solve.tally import Tally
from perpend.types import Request


@asynccontextmanager
async def asking(
    model: str | None, services: Services, origin: Origin
) -> AsyncGenerator[AuxiliaryCalls, None]:
    """Raises NotFound. The row is written in the end, unless nothing was asked."""
    served = services.resolve(model)
    account, began = Tally(served), datetime.datetime.now(datetime.UTC)
    terms = RequestContext(
        Request(messages=()), "none", resolved("none"), services.resolve, services.verifier, silent
    )
    means = CallContext(Scope("aside"), served, Clock(None), None, silent, 0)
    try:
        yield AuxiliaryCalls(terms, account, means)
    finally:
        if account.usage.total:
            await services.recorder.write(account.row("aside", origin.source, origin.key_id, began))
