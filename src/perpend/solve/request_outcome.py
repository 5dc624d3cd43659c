"""What a request has come to so far, which all of its sessions share: candidates, the best of them, and what cut it."""

from typing import NamedTuple

from msgspec.structs import replace

from perpend.accounting.ledger import Scope
from perpend.solve.candidate_run import CandidateRun, SentThinking
from perpend.solve.model import ServedModel
from perpend.types import Candidate, StopReason, Thought


class CandidateAuthor(NamedTuple):
    model: ServedModel
    provider: str
    version: str | None
    sent_thinking: SentThinking


class RequestOutcome:
    def __init__(self, model: ServedModel, scope: Scope) -> None:
        """`scope` pays for all of it."""
        self.scope = scope
        self.candidates: list[Candidate] = []
        self.notes: list[str] = []
        """What the strategy decided on the way, and why."""
        self.best: Candidate | None = None
        self.model_version: str | None = None
        self.model = model
        """Who wrote the last candidate that says something."""
        self.provider = model.provider
        self.sent_thinking = SentThinking()
        """What that one's server was told about thinking."""
        self.cut_by: StopReason | None = None
        """What ended the strategy before it was through: the clock, a person, a cap."""
        self.left_out: set[str] = set()
        """What some calls were made without: fields of their sampling, and what a server refuses."""
        self.most_logprobs: dict[str, int] = {}
        """For how many likeliest tokens a model's server may be asked, where it refused more."""
        self.unverified: set[int] = set()
        """Candidates that were to be verified, and couldn't be."""
        self.shown: int | None = None
        """The candidate that clients saw being written, the last one."""
        self._candidates = 0
        self._auxiliary_calls = 0
        self._authors: dict[int, CandidateAuthor] = {}

    def begin(self) -> int:
        """The number of the next candidate."""
        self._candidates += 1
        return self._candidates - 1

    def begin_auxiliary(self) -> int:
        """The number, below 0, of the next call that belongs to no candidate."""
        self._auxiliary_calls -= 1
        return self._auxiliary_calls

    @property
    def untouched(self) -> bool:
        """Nothing was begun, and nothing spent."""
        return not self._candidates and not self.scope.usage.total

    def close(self, run: CandidateRun, *, shown: bool) -> Candidate:
        """A candidate is written, however it ended. One that clients saw is the answer."""
        self.left_out |= run.left_out
        candidate = run.candidate()
        if candidate.stop_reason in ("deadline", "answer_now"):
            self.cut_by = candidate.stop_reason
        if candidate.usage.total or not run.message.empty:
            self.candidates.append(candidate)
        if shown and not run.message.empty:
            self.shown = candidate.index
        if run.silent:
            self.sent_thinking = self.sent_thinking if self.sent_thinking.sent else run.sent_thinking
            self.model_version = run.model_version or self.model_version
        else:
            model = run.context.model
            known = self.model_version if model is self.model else None
            provider = run.provider or model.provider
            version = run.model_version or known
            self._authors[candidate.index] = CandidateAuthor(model, provider, version, run.sent_thinking)
            self.written_by(candidate)
            if shown or self.best is None or not self.best.answer:
                self.best = candidate
        return candidate

    def written_by(self, candidate: Candidate) -> None:
        """The answer is this one, so far: its author is named."""
        if (author := self._authors.get(candidate.index)) is not None:
            self.model, self.provider, self.model_version, self.sent_thinking = author

    def thoughts_of(self, index: int) -> tuple[str, list[Thought]]:
        """A candidate's thinking, and its thoughts, joined where nothing but hidden parts lay between them."""
        candidate = next(known for known in self.candidates if known.index == index)
        thoughts: list[Thought] = []
        for part in candidate.content:
            if isinstance(part, Thought):
                whole = thoughts and thoughts[-1].provider_state is None
                before = thoughts.pop().text if whole else ""
                thoughts.append(Thought(before + part.text, part.provider_state))
        return candidate.thinking, thoughts

    def scored(self, candidate: Candidate, score: float) -> Candidate:
        candidate = replace(candidate, score=score)
        self.replace(candidate)
        return candidate

    def replace(self, candidate: Candidate) -> None:
        """It has a verdict, or a score, now."""
        for place, known in enumerate(self.candidates):
            if known.index == candidate.index:
                self.candidates[place] = candidate
        if self.best is not None and self.best.index == candidate.index:
            self.best = candidate
