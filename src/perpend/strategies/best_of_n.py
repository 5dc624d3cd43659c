"""Several candidates, and the one that the verifier likes best (Cobbe et al., arXiv:2110.14168)."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

from msgspec import Meta

from perpend.strategies.contract import Session, strategies
from perpend.strategies.draws import drawn, full_marks, rank, sampling_apart
from perpend.strategies.votes import Poll
from perpend.types import Candidate, StrategySpec

_SINGLE = StrategySpec()


@strategies.register("best_of_n")
async def best_of_n(
    session: Session,
    *,
    n: Annotated[int, Meta(ge=1, le=256)] = 4,
    of: StrategySpec = _SINGLE,
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None,
) -> Candidate:
    """`n`: candidates at most; one that passes with full marks ends it. `of`: the strategy that makes each of them.

    Of equal scores the answer that most candidates gave, then the first. `temperature`: where the request names none.
    """
    session.need_verifier("best_of_n")

    async def draw(part: Session, number: int) -> Candidate:
        candidate = await part.run(of, sampling_apart(session, number, temperature))
        checked = candidate.verdict is not None and of.verifier is None
        return candidate if checked else await part.verify(candidate)

    candidates: list[Candidate] = []
    async with aclosing(drawn(session, n, draw)) as draws:
        async for candidate in draws:
            candidates.append(candidate)
            best = max(candidates, key=rank)
            session.keep(best)
            if full_marks(best):
                return best
    return await _most_given(session, candidates)


async def _most_given(session: Session, candidates: Sequence[Candidate]) -> Candidate:
    """Of those with the highest rank, the one whose answer was given most often."""
    highest = max(map(rank, candidates))
    best = [candidate for candidate in candidates if rank(candidate) == highest]
    if len(best) == 1:
        return best[0]
    poll = Poll(session.same)
    for candidate in candidates:
        await poll.add(candidate)
    return max(best, key=lambda one: next(len(g.members) for g in poll.groups if one in g.members))
