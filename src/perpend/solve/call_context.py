"""What holds for one call: the scope that pays for it, the model, the time, and who hears of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from perpend.accounting.ledger import Scope
from perpend.solve.control import Clock, Control
from perpend.solve.model import ServedModel
from perpend.types import Event, StopReason

Sink = Callable[[list[Event]], Awaitable[None]]
"""Where events go."""


async def null_sink(batch: list[Event]) -> None:
    """Of auxiliary calls: they are in nobody's stream."""


class CallContext(Struct, frozen=True):
    scope: Scope
    model: ServedModel
    clock: Clock
    control: Control | None
    input_bound: int
    """Prompt tokens of a first call at most."""
    sink: Sink = null_sink
    """Hears what clients see being written."""
    hidden_sink: Sink = null_sink
    """Hears the events of candidates that clients don't see being written."""
    log_sink: Sink | None = None
    """Hears everything, hidden candidates and auxiliary calls too."""

    async def log(self, event: Event) -> None:
        if self.log_sink is not None:
            await self.log_sink([event])

    @asynccontextmanager
    async def in_time(self) -> AsyncGenerator[None, None]:
        """Raises TimeoutError at the deadline, and once somebody wants the answer now."""
        async with asyncio.timeout_at(self.clock.deadline) as timer:

            def interrupt() -> None:
                timer.reschedule(self.clock.loop.time())

            if self.control is None:
                yield
                return
            self.control.watch(interrupt)
            try:
                yield
            finally:
                self.control.unwatch(interrupt)

    @property
    def over(self) -> StopReason | None:
        """Why nothing more should be begun; None: there is time."""
        if self.control is not None and self.control.answering_now:
            return "answer_now"
        speed = self.model.speed
        until = self.clock.think_until(speed.seconds_for(ANSWER_KEPT) if speed.measured else None)
        return "deadline" if until is not None and self.clock.loop.time() >= until else None


ANSWER_KEPT = 96
"""Tokens of an answer that a deadline leaves time for."""
