"""A model to ask outside any request, such as for `perpend verify`: its tokens are in a ledger row of their own."""

import datetime
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from perpend.accounting.ledger import Scope
from perpend.solve.account import Account
from perpend.solve.asking import Asking
from perpend.solve.control import Clock
from perpend.solve.means import Means, silent
from perpend.solve.plan import resolved
from perpend.solve.solve import Origin, Services
from perpend.solve.terms import Terms
from perpend.storage.tables import LedgerRow
from perpend.types import Request, new_id


@asynccontextmanager
async def asking(model: str | None, services: Services, origin: Origin) -> AsyncGenerator[Asking, None]:
    """Raises NotFound. The row is written in the end, unless nothing was asked."""
    served = services.resolve(model)
    account, began = Account(served), datetime.datetime.now(datetime.UTC)
    clock = Clock(None)
    terms = Terms(Request(messages=()), "none", resolved("none"), services.resolve, services.verifier, silent)
    means = Means(Scope("aside"), served, clock, None, silent, 0)
    try:
        yield Asking(terms, account, means)
    finally:
        if account.usage.total:
            await services.recorder.write(
                LedgerRow(
                    id=new_id("req"),
                    key_id=origin.key_id,
                    source=origin.source,
                    model=served.name,
                    provider=served.provider,
                    created_at=began,
                    finished_at=datetime.datetime.now(datetime.UTC),
                    status="finished",
                    effort="none",
                    strategy="aside",
                    input=account.usage.input,
                    cached=account.usage.cached,
                    thinking=account.usage.thinking,
                    answer=account.usage.answer,
                    cost_usd=account.cost_usd,
                    elapsed_ms=int(clock.elapsed_s * 1000),
                )
            )
