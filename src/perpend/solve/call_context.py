"""What a request spends with, handed down from `solve` to every session, draft and call."""

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


async def silent(batch: list[Event]) -> None:
    """What is asked aside is in nobody's stream."""


class CallContext(Struct, frozen=True):
    scope: Scope
    model: ServedModel
    clock: Clock
    control: Control | None
    emit: Sink
    input_bound: int
    """Prompt tokens of a first call at most."""
    log: Sink | None = None
    """Hears everything, of candidates that clients don't see and of questions aside too."""

    async def note(self, event: Event) -> None:
        if self.log is not None:
            await self.log([event])

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
