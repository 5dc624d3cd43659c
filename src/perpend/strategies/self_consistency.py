"""Several thoughts, and the answer that most of them come to (Wang et al., arXiv:2203.11171)."""

from contextlib import aclosing
from typing import Annotated, Literal

from msgspec import Meta

from perpend.strategies.contract import Session, compares, draws, strategies
from perpend.strategies.sampling_pool import drawn, sampling_of
from perpend.strategies.votes import Group, Poll, out_of_reach, risk
from perpend.types import Candidate

_LENGTH_MARGIN = 1.5
"""Times what the others took: more than four of five thoughts are no longer, and a cut one is no vote."""


@strategies.register("self_consistency")
@compares
@draws("n", least=1)
async def self_consistency(
    session: Session,
    *,
    n: Annotated[int, Meta(ge=1, le=256)] = 8,
    confidence: Annotated[float, Meta(ge=0.5, le=1)] = 0.95,
    weighted: Literal["none", "score"] = "none",
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None,
) -> Candidate:
    """`n`: votes at most. `confidence`: it ends when, by this probability, all `n` would elect the same answer; 1: when
    no other can win any more. `weighted`: votes count one each, or what the verifier scores them, and then it ends only
    when no other can win. `temperature`: where the request names none.
    """
    if weighted == "score":
        session.verifier.require("self_consistency weighted by score")

    async def draw(part: Session, number: int) -> Candidate:
        candidate = await part.sample(sampling=sampling_of(session, number, temperature))
        return await part.verifier.verify(candidate) if weighted == "score" else candidate

    whole, cut = Poll(session.verifier.same), Poll(session.verifier.same)
    spoiled: Candidate | None = None
    to_come = n
    async with aclosing(drawn(session, n, draw, length_margin=_LENGTH_MARGIN)) as candidates:
        async for candidate in candidates:
            to_come -= 1
            if not candidate.answer:
                spoiled = spoiled or candidate
                continue
            weight = 1.0 if weighted == "none" else candidate.score or 0.0
            await (cut if candidate.truncated else whole).add(candidate, weight)
            poll = whole if whole.groups else cut
            session.keep(best_of(poll.leader))
            if whole.groups and _settled(whole, to_come, confidence, weighted):
                break
    poll = whole if whole.groups else cut
    if not poll.groups:
        assert spoiled is not None, "where nothing was drawn at all, an error says so"
        return spoiled
    chosen = best_of(poll.leader)
    for group in poll.groups:
        for member in group.members:
            scored = session.score(member, poll.share(group))
            chosen = scored if scored.index == chosen.index else chosen
    return chosen


def best_of(group: Group) -> Candidate:
    """The member that the verifier scores highest, where it was asked; of equal ones the first."""
    return max(group.members, key=lambda member: member.verdict.score if member.verdict else 0.0)


def _settled(poll: Poll, to_come: int, confidence: float, weighted: Literal["none", "score"]) -> bool:
    if weighted == "score":
        return out_of_reach([group.weight for group in poll.groups], to_come)
    return risk([len(group.members) for group in poll.groups], to_come) <= 1 - confidence
