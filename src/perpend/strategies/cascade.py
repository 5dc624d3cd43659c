"""Cheap models first; what they aren't sure of goes up (Chen et al., "FrugalGPT", arXiv:2305.05176).

How sure they are is told by how many samples agree (Yue et al., arXiv:2310.03094), or by a verifier's score.
"""

from contextlib import aclosing, suppress
from typing import Annotated, Literal

from msgspec import Meta

from perpend.errors import BadRequest
from perpend.strategies.contract import CUT, Session, compares, strategies
from perpend.strategies.sampling_pool import drawn, rank, sampling_of
from perpend.strategies.votes import Poll
from perpend.types import Candidate

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Models = Annotated[list[Name], Meta(min_length=1, max_length=16)]


@strategies.register("cascade")
@compares
async def cascade(
    session: Session,
    *,
    models: Annotated[list[Name | Models], Meta(min_length=1, max_length=16)],
    samples: Annotated[int, Meta(ge=1, le=64)] = 2,
    signal: Literal["agreement", "score"] = "agreement",
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.6,
) -> Candidate:
    """`models`: rungs, from cheap to strong; several names on one are sampled in turn. `samples`: on each rung.

    `signal`: the share of the samples that agree, or the best one's score by the verifier. A rung that reaches
    `threshold` answers. Each may spend an equal part of what is left, and the last all of it, on one answer.
    """
    if signal == "score":
        session.verifier.require("cascade by score")
    rungs = [[models_of] if isinstance(models_of, str) else models_of for models_of in models]
    if len(rungs[-1]) > 1:
        raise BadRequest("the last rung of a cascade is one model", field="strategy.models")
    for name in (name for rung in rungs for name in rung):
        session.on(name)  # a wrong name is refused before anything is spent
    *cheap, (strongest,) = rungs
    best: Candidate | None = None
    for number, names in enumerate(cheap):
        rung = CascadeRung(session.budget.part(len(rungs) - number), names, samples, signal, threshold)
        with suppress(*CUT):  # one more reason to go up
            await rung.climb()
        best = rung.best or best or _begun(session)
        if best is not None:
            session.keep(best)
        upper = rungs[number + 1]
        if rung.sure:
            session.explain(f"answered by {best.model if best else names[0]}: {rung.reason}")
            break
        session.explain(f"escalated to {' and '.join(upper)}: {rung.reason}")
    else:
        try:
            candidate = await session.on(strongest).sample(shown=True)
            if candidate.answer or not candidate.truncated or best is None:
                return await session.verifier.verify(candidate) if signal == "score" else candidate
        except CUT:
            if best is None:
                raise
        session.explain(f"{strongest} gave no answer")
    assert best is not None, "a rung that is sure has an answer"
    return best


def _begun(session: Session) -> Candidate | None:
    """Half an answer, of a sample that was cancelled: better than none, if those above give none."""
    return session.best if session.best is not None and session.best.answer else None


class CascadeRung:
    """Samples of the models of one rung, until it's clear how sure they are."""

    def __init__(
        self,
        session: Session,
        names: list[str],
        samples: int,
        signal: Literal["agreement", "score"],
        threshold: float,
    ) -> None:
        self.best: Candidate | None = None
        self.sure = False
        self._session = session
        self._names = names
        self._samples = samples
        self._signal = signal
        self._threshold = threshold
        self._poll = Poll(session.verifier.same)

    @property
    def reason(self) -> str:
        if self.best is None:
            return "no answer came"
        if self._signal == "score":
            return "no score" if self.best.score is None else f"score {self.best.score:.2f}"
        agreed = len(self._poll.leader.members) if self._poll.groups else 0
        return f"{agreed} of {self._samples} samples agreed"

    async def climb(self) -> None:
        async with aclosing(drawn(self._session, self._samples, self._draw)) as candidates:
            left = self._samples
            async for candidate in candidates:
                left -= 1
                confidence = await self._hear(candidate)
                said = self.best is not None and bool(self.best.answer)
                self.sure = said and confidence >= self._threshold
                hopeless = self._signal == "agreement" and confidence + left / self._samples < self._threshold
                if self.sure or hopeless:
                    break

    async def _draw(self, part: Session, number: int) -> Candidate:
        part = part.on(self._names[number % len(self._names)])
        candidate = await part.sample(sampling=sampling_of(part, number))
        return await part.verifier.verify(candidate) if self._signal == "score" else candidate

    async def _hear(self, candidate: Candidate) -> float:
        """How sure the rung is, with one more answer."""
        if self._signal == "score":
            if self.best is None or rank(candidate) > rank(self.best):
                self.best = candidate
            return self.best.score or 0.0
        if candidate.answer:
            await self._poll.add(candidate)
        if not self._poll.groups:
            return 0.0
        agreed = self._poll.leader.members
        self.best = agreed[0]
        return len(agreed) / self._samples
