"""What all the sessions of one request share: its candidates, what they used and cost, and the best so far."""

import datetime
from decimal import Decimal
from typing import NamedTuple

from perpend.accounting.prices import together
from perpend.solve.candidate_run import CandidateRun, SentThinking
from perpend.solve.model import ServedModel
from perpend.storage.rows import LedgerRow
from perpend.types import Candidate, StopReason, Thought, Usage, new_id


class CandidateAuthor(NamedTuple):
    model: ServedModel
    provider: str
    version: str | None
    told: SentThinking


class Tally:
    def __init__(self, model: ServedModel) -> None:
        self.candidates: list[Candidate] = []
        self.notes: list[str] = []
        """What the strategy decided on the way, and why."""
        self.best: Candidate | None = None
        self.usage = Usage()
        self.cost_usd: Decimal | None = Decimal(0)
        self.model_version: str | None = None
        self.model = model
        """Who wrote the last candidate that says something."""
        self.provider = model.provider
        self.told = SentThinking()
        """What that one's server was told about thinking."""
        self.cut: StopReason | None = None
        """What ended the strategy before it was through: the clock, a person, a cap."""
        self.left_out: set[str] = set()
        """What some calls were made without: fields of their sampling, and what a server refuses."""
        self.most_logprobs: dict[str, int] = {}
        """How many likeliest tokens a model's server weighs, where it refused to weigh as many as it was asked to."""
        self.unverified: set[int] = set()
        """Candidates that were to be verified, and couldn't be."""
        self.shown: int | None = None
        """The candidate that clients saw being written, the last one."""
        self._begun = 0
        self._asides = 0
        self._writers: dict[int, CandidateAuthor] = {}

    def begin(self) -> int:
        """The number of the next candidate."""
        self._begun += 1
        return self._begun - 1

    def aside(self) -> int:
        """The number of the next thing that belongs to no candidate."""
        self._asides -= 1
        return self._asides

    @property
    def untouched(self) -> bool:
        return not self._begun and not self.usage.total

    def pay(self, draft: CandidateRun) -> None:
        self.usage += draft.usage
        self.cost_usd = together((self.cost_usd, draft.cost_usd))
        self.left_out |= draft.left_out

    def close(self, draft: CandidateRun, *, shown: bool) -> Candidate:
        """A candidate is written, however it ended. One that clients saw is the answer."""
        self.pay(draft)
        candidate = draft.candidate()
        if candidate.stop_reason in ("deadline", "answer_now"):
            self.cut = candidate.stop_reason
        if draft.usage.total or not draft.said.empty:
            self.candidates.append(candidate)
        if shown and not draft.said.empty:
            self.shown = candidate.index
        if draft.silent:
            self.told = self.told if self.told.sent else draft.told
            self.model_version = draft.model_version or self.model_version
        else:
            model = draft.means.model
            known = self.model_version if model is self.model else None
            provider = draft.provider or model.provider
            self._writers[candidate.index] = CandidateAuthor(
                model, provider, draft.model_version or known, draft.told
            )
            self.written_by(candidate)
            if shown or self.best is None or not self.best.answer:
                self.best = candidate
        return candidate

    def written_by(self, candidate: Candidate) -> None:
        """The answer is this one, so far: its writer is named."""
        if (writer := self._writers.get(candidate.index)) is not None:
            self.model, self.provider, self.model_version, self.told = writer

    def thoughts_of(self, index: int) -> tuple[str, list[Thought]]:
        """A candidate's thinking, and its thoughts as one sees them who sees nothing between them."""
        candidate = next(one for one in self.candidates if one.index == index)
        thoughts: list[Thought] = []
        for part in candidate.content:
            if isinstance(part, Thought):
                whole = thoughts and thoughts[-1].provider_state is None
                before = thoughts.pop().text if whole else ""
                thoughts.append(Thought(before + part.text, part.provider_state))
        return candidate.thinking, thoughts

    def replace(self, candidate: Candidate) -> None:
        """It has a verdict, or a score, now."""
        for place, known in enumerate(self.candidates):
            if known.index == candidate.index:
                self.candidates[place] = candidate
        if self.best is not None and self.best.index == candidate.index:
            self.best = candidate

    def row(self, strategy: str, source: str, key_id: str | None, began: datetime.datetime) -> LedgerRow:
        """The ledger's, of an account that is no request's own."""
        now = datetime.datetime.now(datetime.UTC)
        return LedgerRow(
            id=new_id("req"),
            key_id=key_id,
            source=source,
            model=self.model.name,
            provider=self.provider,
            created_at=began,
            finished_at=now,
            status="finished",
            effort="none",
            strategy=strategy,
            input=self.usage.input,
            cached=self.usage.cached,
            thinking=self.usage.thinking,
            answer=self.usage.answer,
            cost_usd=self.cost_usd,
            elapsed_ms=int((now - began).total_seconds() * 1000),
        )
