"""What is told while the work goes on: its events, with progress and summaries of the thinking beside them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeGuard

from perpend.solve.call_context import Sink
from perpend.solve.progress import ProgressReporter
from perpend.solve.summarise import Summariser
from perpend.types import Event, ProviderStateDelta, ThinkingDelta


class ClientEvents:
    """Tells a request's listener what happens, with progress and summaries beside it.

    It knows nothing of who makes the events, so a request is no cycle of references and ends with its task.
    """

    def __init__(self, sink: Sink | None, *, first: bool) -> None:
        """`first`: the first candidate's thinking is shown, whoever is chosen."""
        self.pace: ProgressReporter | None = None
        self.summariser: Summariser | None = None
        self.thinker: int | None = None
        """The first candidate whose thinking was shown, where that was asked for."""
        self._sink = sink
        self._first = first

    @property
    def summary(self) -> str:
        """All summary lines as they were streamed, joined."""
        return "".join([f"{line}\n" for line in self.summariser.lines]) if self.summariser else ""

    async def emit(self, batch: list[Event]) -> None:
        """Events of a candidate that clients see being written."""
        if self._first:
            batch = [event for event in batch if not _of_thought(event) or self._shows(event.candidate)]
        if self.summariser is not None:
            self.summariser.hear(batch, self.tell)
        progress = self.pace.after(batch) if self.pace is not None else None
        await self.tell(batch if progress is None else [*batch, progress])

    async def unseen(self, batch: list[Event]) -> None:
        """Events of one that may not be chosen. The first one's thinking is shown where that was asked for."""
        firsts = [event for event in batch if _of_thought(event) and event.candidate == 0]
        shown = [event for event in firsts if self._first and self._shows(0)]
        if self.summariser is not None:
            self.summariser.hear([*firsts], self.tell)
        progress = self.pace.after(batch) if self.pace is not None else None
        if shown or progress is not None:
            await self.tell([*shown] if progress is None else [*shown, progress])

    async def tell(self, batch: list[Event]) -> None:
        if self._sink is not None:
            await self._sink(batch)

    @asynccontextmanager
    async def going_on(self) -> AsyncGenerator[None, None]:
        """Progress is told meanwhile, though nothing is heard. There must be a `pace`."""
        assert self.pace is not None
        beat = asyncio.create_task(self.pace.beat(self.tell))
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    def _shows(self, candidate: int) -> bool:
        """Of several, clients see one think: who began before the others to be shown."""
        if self.thinker is None:
            self.thinker = candidate
        return self.thinker == candidate


def _of_thought(event: Event) -> TypeGuard[ThinkingDelta | ProviderStateDelta]:
    return isinstance(event, ThinkingDelta) or (
        isinstance(event, ProviderStateDelta) and event.part == "thought"
    )
