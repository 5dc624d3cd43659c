"""What all the sessions of one request share: its candidates, what they used and cost, and the best so far."""

from decimal import Decimal

from perpend.solve.draft import Draft
from perpend.solve.model import ServedModel
from perpend.types import Candidate, StopReason, Usage


class Account:
    def __init__(self, model: ServedModel) -> None:
        self.candidates: list[Candidate] = []
        self.best: Candidate | None = None
        self.usage = Usage()
        self.cost_usd = Decimal(0)
        self.model_version: str | None = None
        self.model = model
        """Who wrote the last candidate that says something."""
        self.provider = model.provider
        self.cut: StopReason | None = None
        """What ended the strategy before it was through: the clock, a person, a cap."""
        self._begun = 0

    def begin(self) -> int:
        """The number of the next candidate."""
        self._begun += 1
        return self._begun - 1

    @property
    def untouched(self) -> bool:
        return not self._begun and not self.usage.total

    def pay(self, draft: Draft) -> None:
        self.usage += draft.usage
        self.cost_usd += draft.cost_usd

    def close(self, draft: Draft, *, shown: bool) -> Candidate:
        """A candidate is written, however it ended. One that clients saw is the answer."""
        self.pay(draft)
        candidate = draft.candidate()
        self.model_version = draft.model_version or self.model_version
        if candidate.stop_reason in ("deadline", "answer_now"):
            self.cut = candidate.stop_reason
        if not draft.silent:
            self.model, self.provider = draft.means.model, draft.provider or draft.means.model.provider
            self.candidates.append(candidate)
            if shown or self.best is None or not self.best.answer:
                self.best = candidate
        return candidate

    def replace(self, candidate: Candidate) -> None:
        """It has a verdict, or a score, now."""
        for place, known in enumerate(self.candidates):
            if known.index == candidate.index:
                self.candidates[place] = candidate
        if self.best is not None and self.best.index == candidate.index:
            self.best = candidate
