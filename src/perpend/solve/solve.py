"""The spine: a request is prepared, and run."""

import asyncio

from msgspec.structs import replace

from perpend.accounting.ledger import Scope
from perpend.solve.cache import MISSED, AnswerCache, CacheLookup, answer_again, same_work
from perpend.solve.call_context import Sink
from perpend.solve.control import Control
from perpend.solve.gate import Gate
from perpend.solve.prepare import Services, prepare
from perpend.solve.run import Origin, run
from perpend.types import Answer, Request


async def solve(
    request: Request,
    services: Services,
    sink: Sink | None = None,
    *,
    cache: AnswerCache | None = None,
    gate: Gate | None = None,
    log_sink: Sink | None = None,
    control: Control | None = None,
    origin: Origin,
) -> Answer:
    """Answer `request`, streaming events to `sink`: see `prepare` and `run`, between which nothing was spent.

    Whom the gate lets in may be answered from the cache; whom it hasn't waits until the gate admits it.
    """
    prepared = await prepare(request, services)
    account = None
    lookup: CacheLookup | None = None
    if gate is not None:
        prepared = await gate.enter(prepared)
        account = Scope("request", usd=prepared.request.limits.max_cost_usd)
        prepared = replace(prepared, account=account)
    try:
        lookup = None if cache is None else cache.lookup(prepared, origin.key_id)
        if lookup is not None:
            if (kept := await lookup.find()) is not None:
                return await answer_again(prepared, kept, services.recorder, sink, origin)
            prepared = replace(prepared, cache=MISSED)
        admitted = prepared if gate is None else await gate.admit(prepared)
        answer = await run(admitted, services, sink, log_sink=log_sink, control=control, origin=origin)
        if lookup is not None:
            await lookup.keep(answer, as_prepared=same_work(prepared, admitted))
        return answer
    except BaseException as error:
        if lookup is not None:
            lookup.leave(failed=not isinstance(error, asyncio.CancelledError))
        raise
    finally:
        if gate is not None and account is not None:
            gate.leave(account)
