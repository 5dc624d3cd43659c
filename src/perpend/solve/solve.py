"""The spine: a request is prepared, and run."""

from perpend.solve.call_context import Sink
from perpend.solve.control import Control
from perpend.solve.prepare import Services, prepare
from perpend.solve.run import Origin, run
from perpend.types import Answer, Request


async def solve(
    request: Request,
    services: Services,
    sink: Sink | None = None,
    *,
    log_sink: Sink | None = None,
    control: Control | None = None,
    origin: Origin,
) -> Answer:
    """Answer `request`, streaming events to `sink`: see `prepare` and `run`, between which nothing was spent."""
    prepared = await prepare(request, services)
    return await run(prepared, services, sink, log_sink=log_sink, control=control, origin=origin)
