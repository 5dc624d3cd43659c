"""Progress of a request: how far it is, and a forecast of its end."""

import asyncio
from copy import copy

from perpend.accounting.budgets import TokenBudget
from perpend.accounting.estimates import remaining
from perpend.accounting.ledger import Scope
from perpend.solve.call_context import Sink
from perpend.solve.control import Clock
from perpend.solve.model import ServedModel
from perpend.types import AnswerDelta, CandidateProgress, Event, Phase, Progress, ThinkingDelta, ToolCallDelta

_EVERY_S = 0.5
_OWN_PACE = 16
"""Tokens after which the request's own pace is believed more than the model's."""


class ProgressReporter:
    """Tells a `Progress` at each new phase and twice a second, in silence too."""

    def __init__(self, model: ServedModel, budget: TokenBudget, clock: Clock, scope: Scope) -> None:
        """`scope`: of the request's dollars."""
        self._model = model
        self._budget = budget
        self._clock = clock
        self._scope = scope
        self._candidates: dict[int, CandidateProgress] = {}
        self._speaking = CandidateProgress(-1, "queued", 0, 0)
        """Who was heard last."""
        self._phases: set[Phase] = set()
        self._first: tuple[float, int] | None = None
        """When the first tokens came, and how many: those after them have a pace."""
        self._heard_s = 0.0
        self._told_s = 0.0

    def after(self, batch: list[Event]) -> Progress | None:
        """The progress to tell after `batch`, where it is time to."""
        heard = False
        for event in batch:
            if isinstance(event, ThinkingDelta):
                self._of(event.candidate, "thinking").thinking_tokens += event.tokens
            elif isinstance(event, AnswerDelta | ToolCallDelta):
                self._of(event.candidate, "answering").answer_tokens += event.tokens
            else:
                continue
            heard = True
        if not heard:
            return None
        self._heard_s = now = self._clock.elapsed_s
        if self._first is None:
            self._first = now, self._tokens
        if self._speaking.phase in self._phases and now - self._told_s < _EVERY_S:
            return None
        return self._progress(now)

    async def beat(self, send: Sink) -> None:
        """Tells on, for as long as nothing is heard: before the first token, and between a thought and its answer."""
        while True:
            due = self._told_s + _EVERY_S - self._clock.elapsed_s
            if due > 0:
                await asyncio.sleep(due)
            else:
                await send([self._progress(self._clock.elapsed_s)])

    def _progress(self, now: float) -> Progress:
        phase, each = self._speaking.phase, self._candidates.values()
        self._phases.add(phase)
        self._told_s = now
        return Progress(
            phase=phase,
            thinking_tokens=sum(one.thinking_tokens for one in each),
            thinking_budget=self._budget.thinking,
            answer_tokens=sum(one.answer_tokens for one in each),
            eta_s=round(self._eta_s(now), 1),
            cost_usd=self._scope.cost_usd if self._model.price.known else None,
            candidates=tuple(map(copy, each)) if len(each) > 1 else (),
        )

    def _eta_s(self, now: float) -> float:
        """Seconds to the answer's end, which comes by the deadline."""
        lengths, budget, speaking = self._model.lengths, self._budget, self._speaking
        if speaking.phase == "answering":
            tokens = lengths.answer_left(budget.max_answer, speaking.answer_tokens)
        else:
            thinking = sum(one.thinking_tokens for one in self._candidates.values())
            tokens = lengths.thinking_left(budget.thinking, thinking)
            tokens += lengths.answer_left(budget.max_answer, 0)
        wait = self._model.speed.first_token_s if self._first is None else 0.0
        expected = remaining(wait + tokens / self._tokens_per_s, now - self._heard_s)
        limit = self._clock.limit_s
        return expected if limit is None else max(0.0, min(expected, limit - now))

    @property
    def _tokens(self) -> int:
        return sum(one.thinking_tokens + one.answer_tokens for one in self._candidates.values())

    @property
    def _tokens_per_s(self) -> float:
        began, first = self._first or (0.0, 0)
        seconds, tokens = self._heard_s - began, self._tokens - first
        return tokens / seconds if tokens >= _OWN_PACE and seconds > 0 else self._model.speed.tokens_per_s

    def _of(self, index: int, phase: Phase) -> CandidateProgress:
        index = max(index, -1)  # what belongs to no candidate is told as one
        known = self._candidates.get(index)
        if known is None:
            known = self._candidates[index] = CandidateProgress(index, phase, 0, 0)
        known.phase = phase
        self._speaking = known
        return known
