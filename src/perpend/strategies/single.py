"""One thought, one answer."""

from perpend.strategies.contract import Session, strategies
from perpend.types import Candidate


@strategies.register("single")
async def single(session: Session) -> Candidate:
    return await session.sample(shown=True)
