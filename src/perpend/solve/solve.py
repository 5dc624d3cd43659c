"""The spine: a request is prepared, and run."""

from msgspec.structs import replace

from perpend.accounting.ledger import Scope
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
    gate: Gate | None = None,
    log_sink: Sink | None = None,
    control: Control | None = None,
    origin: Origin,
) -> Answer:
    """Answer `request`, streaming events to `sink`: see `prepare` and `run`, between which nothing was spent."""
    prepared = await prepare(request, services)
    if gate is None:
        return await run(prepared, services, sink, log_sink=log_sink, control=control, origin=origin)
    admitted = await gate.enter(prepared)
    account = Scope("request", usd=admitted.request.limits.max_cost_usd)
    try:
        admitted = replace(admitted, account=account)
        return await run(admitted, services, sink, log_sink=log_sink, control=control, origin=origin)
    finally:
        gate.leave(account)
