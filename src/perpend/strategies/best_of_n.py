"""Several candidates, and the one that the verifier likes best (Cobbe et al., arXiv:2110.14168)."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

from msgspec import Meta

from perpend.strategies.contract import Session, draws, strategies
from perpend.strategies.sampling_pool import Draw, drawn, full_marks, rank, sampling_apart
from perpend.strategies.votes import Poll
from perpend.types import Candidate, StrategySpec

_SINGLE = StrategySpec()
_ROOM_TO_TRY, _ROOM_TO_JUDGE = 1.0, 1.5
"""Times what the others took. Half of those that come after are longer; a cut one that a program tries does no harm."""


@strategies.register("best_of_n")
@draws("n", least=1)
async def best_of_n(
    session: Session,
    *,
    n: Annotated[int, Meta(ge=1, le=256)] = 4,
    of: StrategySpec = _SINGLE,
    pairwise: bool = False,
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None,
) -> Candidate:
    """`n`: candidates at most; one that passes with full marks ends it. `of`: the strategy that makes each of them.

    Of equal scores the answer that most candidates gave, then the first. `pairwise`: each is compared with the best so
    far instead, and none ends it. `temperature`: where the request names none.
    """
    session.verifier.require("best_of_n")

    async def made(part: Session, number: int) -> Candidate:
        return await part.run(of, sampling_apart(session, number, temperature))

    async def checked(part: Session, number: int) -> Candidate:
        candidate = await made(part, number)
        known = candidate.verdict is not None and of.verifier is None
        return candidate if known else await part.verifier.verify(candidate)

    return await (_compared(session, n, made) if pairwise else _scored(session, n, checked))


async def _scored(session: Session, n: int, draw: Draw[Candidate]) -> Candidate:
    candidates: list[Candidate] = []
    async with aclosing(drawn(session, n, draw, length_margin=_length_margin(session))) as draws:
        async for candidate in draws:
            candidates.append(candidate)
            best = max(candidates, key=rank)
            session.keep(best)
            if full_marks(best):
                return best
    return await _most_given(session, candidates)


async def _compared(session: Session, n: int, draw: Draw[Candidate]) -> Candidate:
    """One comparison a candidate, paid for from its own part; its score is how likely it was ahead."""
    turn = asyncio.Lock()
    best = Candidate(answer="")

    async def challenge(part: Session, number: int) -> None:
        nonlocal best
        candidate = await draw(part, number)
        async with turn:
            if (
                candidate.answer
                and best.answer
                and not await session.verifier.same(best.answer, candidate.answer)
            ):
                ahead = await part.verifier.compare(candidate, best)
                if ahead is not None:
                    candidate = part.score(candidate, ahead)
                    best = candidate if ahead > 0.5 else best
            elif not best.answer:
                best = candidate
            session.keep(best)

    async with aclosing(drawn(session, n, challenge, length_margin=_length_margin(session))) as draws:
        async for _ in draws:
            pass
    return best


def _length_margin(session: Session) -> float:
    return _ROOM_TO_JUDGE if session.verifier.judged else _ROOM_TO_TRY


async def _most_given(session: Session, candidates: Sequence[Candidate]) -> Candidate:
    """Of those with the highest rank, the one whose answer was given most often."""
    highest = max(map(rank, candidates))
    best = [candidate for candidate in candidates if rank(candidate) == highest]
    if len(best) == 1:
        return best[0]
    poll = Poll(session.verifier.same)
    for candidate in candidates:
        await poll.add(candidate)
    return max(best, key=lambda one: next(len(g.members) for g in poll.groups if one in g.members))
