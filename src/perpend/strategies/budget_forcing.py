"""Budget forcing (Muennighoff et al., "s1: Simple test-time scaling", arXiv:2501.19393).

A thought is cut at its budget; one that ends before is made to go on with "Wait", up to `waits` times.
"""

from typing import Annotated

from msgspec import Meta

from perpend.strategies.contract import Session, strategies
from perpend.types import Candidate


@strategies.register("budget_forcing")
async def budget_forcing(session: Session, *, waits: Annotated[int, Meta(ge=0, le=64)] = 2) -> Candidate:
    return await session.sample(wait_count=waits, shown=True)
