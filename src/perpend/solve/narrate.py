"""What is told while the work goes on: its events, progress with a forecast, and summaries of the thinking."""

from collections.abc import Callable
from copy import copy
from decimal import Decimal
from typing import TypeGuard

from perpend.solve.control import Clock
from perpend.solve.means import Sink
from perpend.solve.model import ServedModel
from perpend.solve.summarise import Summariser
from perpend.types import (
    AnswerDelta,
    CandidateProgress,
    Carried,
    Event,
    Phase,
    Progress,
    ThinkingDelta,
)

_EVERY_S = 0.5


class Narrator:
    """Tells a request's listener what happens, with progress and summaries beside it.

    It knows nothing of who makes the events, so a request is no cycle of references and ends with its task.
    """

    def __init__(self, sink: Sink | None, *, first: bool) -> None:
        """`first`: the first candidate's thinking is shown, whoever is chosen."""
        self.pace: Pace | None = None
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

    def _shows(self, candidate: int) -> bool:
        """Of several, clients see one think: who began before the others to be shown."""
        if self.thinker is None:
            self.thinker = candidate
        return self.thinker == candidate


def _of_thought(event: Event) -> TypeGuard[ThinkingDelta | Carried]:
    return isinstance(event, ThinkingDelta) or (isinstance(event, Carried) and event.part == "thought")


class Pace:
    """Adds a `Progress` event to the stream now and then."""

    def __init__(
        self, model: ServedModel, thinking_budget: int, clock: Clock, cost: Callable[[], Decimal | None]
    ) -> None:
        self._model = model
        self._budget = thinking_budget
        self._clock = clock
        self._cost = cost
        self._phases: set[Phase] = set()
        self._candidates: dict[int, CandidateProgress] = {}
        self._told_s = -_EVERY_S

    def after(self, batch: list[Event]) -> Progress | None:
        """The progress to tell after `batch`: at a new phase, else twice a second."""
        phase: Phase = "queued"
        for event in batch:
            if isinstance(event, ThinkingDelta):
                phase = "thinking"
                self._of(event.candidate).thinking_tokens += event.tokens
            elif isinstance(event, AnswerDelta):
                phase = "answering"
                self._of(event.candidate).answer_tokens += event.tokens
            else:
                continue
            self._of(event.candidate).phase = phase
        now = self._clock.elapsed_s
        if phase in self._phases and now - self._told_s < _EVERY_S:
            return None
        self._phases.add(phase)
        self._told_s = now
        each = self._candidates.values()
        thinking = sum(one.thinking_tokens for one in each)
        left = max(0, self._budget - thinking) if phase == "thinking" else 0
        return Progress(
            phase=phase,
            thinking_tokens=thinking,
            thinking_budget=self._budget,
            answer_tokens=sum(one.answer_tokens for one in each),
            eta_s=self._model.speed.eta_s(left),
            cost_usd=self._cost(),
            candidates=tuple(map(copy, each)) if len(each) > 1 else (),
        )

    def _of(self, index: int) -> CandidateProgress:
        index = max(index, -1)  # what belongs to no candidate is told as one
        known = self._candidates.get(index)
        if known is None:
            known = self._candidates[index] = CandidateProgress(index, "queued", 0, 0)
        return known
