"""What is told while the work goes on: progress with a forecast, and summaries of the thinking."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from perpend.backends.contract import Call
from perpend.errors import PerpendError
from perpend.solve.control import Clock
from perpend.solve.draft import Draft
from perpend.solve.means import Emit, Means
from perpend.solve.model import ServedModel
from perpend.types import AnswerDelta, Event, Message, Phase, Progress, SummaryDelta, ThinkingDelta, Usage

_EVERY_S = 0.5
_SUMMARY_TOKENS = 48
_SUMMARY_WINDOW = 2000
"""Characters of the newest thinking that a summary is made from."""


class Pace:
    """Adds a `Progress` event to the stream now and then."""

    def __init__(
        self, model: ServedModel, thinking_budget: int, clock: Clock, cost: Callable[[], Decimal]
    ) -> None:
        self._model = model
        self._budget = thinking_budget
        self._clock = clock
        self._cost = cost
        self._phase: Phase = "queued"
        self._thinking = 0
        self._answer = 0
        self._told_s = -_EVERY_S

    def after(self, batch: list[Event]) -> Progress | None:
        """The progress to tell after `batch`: at a new phase, else twice a second."""
        phase = self._phase
        for event in batch:
            if isinstance(event, ThinkingDelta):
                phase = "thinking"
                self._thinking += event.tokens
            elif isinstance(event, AnswerDelta):
                phase = "answering"
                self._answer += event.tokens
        now = self._clock.elapsed_s
        if phase == self._phase and now - self._told_s < _EVERY_S:
            return None
        self._phase = phase
        self._told_s = now
        left = max(0, self._budget - self._thinking) if phase == "thinking" else 0
        return Progress(
            phase=phase,
            thinking_tokens=self._thinking,
            thinking_budget=self._budget,
            answer_tokens=self._answer,
            eta_s=self._model.speed.eta_s(left),
            cost_usd=self._cost(),
        )


class Summariser:
    """Summaries of the thinking so far, written by the cheap tier, one at a time, beside the thinking."""

    def __init__(self, means: Means, every_tokens: int, tell: Emit) -> None:
        self.usage = Usage()
        self.cost_usd = Decimal(0)
        self.lines: list[str] = []
        self._means = means
        self._every = every_tokens
        self._tell = tell
        self._heard: list[str] = []
        self._unsummarised = 0
        self._task: asyncio.Task[None] | None = None

    def hear(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, ThinkingDelta):
                self._heard.append(event.text)
                self._unsummarised += event.tokens
            elif isinstance(event, AnswerDelta) and self._unsummarised and self._task is None:
                self._start()  # a short thought has a summary too
        if self._unsummarised >= self._every and (self._task is None or self._task.done()):
            self._start()

    async def finish(self) -> None:
        """Wait for the summary under way, as long as the deadline allows."""
        if self._task is not None:
            deadline = self._means.clock.deadline
            left = None if deadline is None else deadline - asyncio.get_running_loop().time()
            await asyncio.wait([self._task], timeout=left)

    async def stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _start(self) -> None:
        self._unsummarised = 0
        self._task = asyncio.create_task(self._summarise("".join(self._heard)[-_SUMMARY_WINDOW:]))

    async def _summarise(self, thinking: str) -> None:
        prompt = f"In one short sentence, say what this reasoning is doing:\n\n{thinking}"
        messages = (Message("user", prompt),)
        bound = self._means.model.input_bound(messages)
        draft = Draft(0, replace(self._means, input_bound=bound))
        call = Call(
            model=self._means.model.upstream_name,
            family=self._means.model.family,
            messages=messages,
            max_tokens=_SUMMARY_TOKENS,
            phase="answering",
        )
        try:
            await draft.run(call)
        except PerpendError:
            return  # a summary is a courtesy: the answer doesn't fail with it
        finally:
            self.usage += draft.usage
            self.cost_usd += draft.cost_usd
        if line := " ".join(draft.said.answer.split()):
            self.lines.append(line)
            await self._tell([SummaryDelta(line + "\n")])


async def silent(batch: list[Event]) -> None:
    """A summary's own tokens aren't part of the answer's stream."""
