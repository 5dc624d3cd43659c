"""What clients are told while the work goes on: its events, with progress and summaries of the thinking beside them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeGuard

from perpend.solve.call_context import Sink, null_sink
from perpend.solve.progress import ProgressReporter
from perpend.solve.summarise import Summariser
from perpend.types import Event, ProviderStateDelta, ThinkingDelta


class ClientEvents:
    """Tells a request's listener what happens, with progress and summaries beside it.

    It knows nothing of who makes the events, so a request is no cycle of references and ends with its task.
    """

    def __init__(
        self,
        sink: Sink | None,
        *,
        first: bool,
        progress: ProgressReporter | None = None,
        summariser: Summariser | None = None,
    ) -> None:
        """`first`: the first candidate's thinking is shown, whoever is chosen."""
        self.summariser = summariser
        self.thinker: int | None = None
        """The first candidate whose thinking was shown, where that was asked for."""
        self.send = sink or null_sink
        """To the listener, as it is."""
        self._progress = progress
        self._first = first

    @property
    def summary(self) -> str:
        """All summary lines as they were streamed, joined."""
        return "".join([f"{line}\n" for line in self.summariser.lines]) if self.summariser else ""

    @property
    def plain(self) -> bool:
        """Neither progress nor summaries are told."""
        return self.summariser is None and self._progress is None

    @property
    def sink(self) -> Sink:
        """For events of a candidate that clients see being written."""
        return self.send if self.plain and not self._first else self._shown

    @asynccontextmanager
    async def going_on(self) -> AsyncGenerator[None, None]:
        """Progress is told meanwhile, in silence too; what is to be summed up is, in the end."""
        progress, summariser = self._progress, self.summariser
        beat = None if progress is None else asyncio.create_task(progress.beat(self.send))
        try:
            yield
            if summariser is not None:
                await summariser.end()
        finally:
            if summariser is not None:
                await summariser.stop()
            if beat is not None:
                beat.cancel()
                await asyncio.gather(beat, return_exceptions=True)

    async def _shown(self, batch: list[Event]) -> None:
        if self._first:
            batch = [event for event in batch if not _of_thought(event) or self._shows(event.candidate)]
        if self.summariser is not None:
            self.summariser.hear(batch, self.send)
        progress = self._progress.after(batch) if self._progress is not None else None
        await self.send(batch if progress is None else [*batch, progress])

    async def hidden_sink(self, batch: list[Event]) -> None:
        """For events of one that may not be chosen. The first one's thinking is shown where that was asked for."""
        firsts = [event for event in batch if _of_thought(event) and event.candidate == 0]
        shown = [event for event in firsts if self._first and self._shows(0)]
        if self.summariser is not None:
            self.summariser.hear([*firsts], self.send)
        progress = self._progress.after(batch) if self._progress is not None else None
        if shown or progress is not None:
            await self.send([*shown] if progress is None else [*shown, progress])

    def _shows(self, candidate: int) -> bool:
        """Of several, clients see one think: who began before the others to be shown."""
        if self.thinker is None:
            self.thinker = candidate
        return self.thinker == candidate


def _of_thought(event: Event) -> TypeGuard[ThinkingDelta | ProviderStateDelta]:
    return isinstance(event, ThinkingDelta) or (
        isinstance(event, ProviderStateDelta) and event.part == "thought"
    )
