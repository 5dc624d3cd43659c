"""A verifier in the loop: what it says of a wrong answer goes back into the same thinking, which goes on.

The inference-time twin of training on verifiable rewards. It ends when an answer passes, or with the budget.
"""

from typing import Annotated

from msgspec import Meta

from perpend.strategies.contract import CUT, Feedback, Session, strategies
from perpend.strategies.sampling_pool import rank, sampling_of
from perpend.types import Candidate, Verdict

_SAID = 600
"""Characters of a verdict's feedback that the model is told."""


@strategies.register("refine")
async def refine(
    session: Session,
    *,
    rounds: Annotated[int, Meta(ge=1, le=64)] = 4,
    first: Annotated[float, Meta(gt=0, le=1)] = 1.0,
) -> Candidate:
    """`rounds`: answers at most. `first`: the first one's share of the thinking; the others share what it leaves."""
    session.verifier.require("refine")
    budget = session.budget.thinking
    best: Candidate | None = None
    feedback: Feedback | None = None
    wrong: list[str] = []  # answers that this thinking came to
    for number in range(rounds):
        share = session.budget.thinking // (rounds - number) if number else int(budget * first)
        if budget and number and not share:
            break
        try:
            candidate = await session.sample(
                thinking_tokens=share, sampling=sampling_of(session, number), feedback=feedback
            )
        except CUT:
            if best is None:
                raise
            break
        if candidate.stop_reason == "tool_calls":  # nothing to check yet
            return candidate
        candidate = await session.verifier.verify(candidate)
        if best is None or rank(candidate) >= rank(best):
            best = candidate
            session.keep(best)
        if candidate.verdict is None or candidate.verdict.passed:
            break
        feedback = Feedback(candidate, said_of(candidate.verdict))
        if not await _among(session, candidate.answer, wrong):
            wrong.append(candidate.answer)
        elif session.request.sampling.temperature == 0:
            session.explain("stopped, since the same wrong answer came twice and would come again")
            break
        else:  # thinking that goes in circles rarely leaves them
            session.explain("started afresh, since the same wrong answer came twice")
            wrong, feedback = [], None
    assert best is not None, "the first round returns or raises"
    return best


def said_of(verdict: Verdict) -> str:
    """What the model is told: short, since it's in every later prompt."""
    why = verdict.feedback.strip().rstrip(".")
    why = f"{why[:_SAID]} …" if len(why) > _SAID else why
    return f"This answer was checked, and it isn't right{f': {why}' if why else ''}."


async def _among(session: Session, answer: str, known: list[str]) -> bool:
    for one in known:
        if await session.verifier.same(answer, one):
            return True
    return False
