"""Several answers, and all of them are wanted: what `n` asks for in OpenAI's chat dialect."""

from contextlib import aclosing
from typing import Annotated

from msgspec import Meta

from perpend.strategies.contract import Session, draws, strategies
from perpend.strategies.sampling_pool import drawn, sampling_of
from perpend.types import Candidate, Thought


@strategies.register("samples")
@draws("n", least=None)
async def samples(
    session: Session,
    *,
    n: Annotated[int, Meta(ge=1, le=128)] = 2,
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None,
) -> Candidate:
    """`n`: answers, each with an equal part of the budget. The first is the answer, the others are its fellow
    candidates. `temperature`: where the request names none.
    """

    async def draw(part: Session, number: int) -> Candidate:
        candidate = await part.sample(sampling=sampling_of(part, number, temperature), shown=number == 0)
        return await part.verifier.verified(candidate)

    made: list[Candidate] = []
    async with aclosing(drawn(session, n, draw, first_shown=True)) as candidates:
        async for candidate in candidates:
            made.append(candidate)
            session.keep(_first(made))
    return _first(made)


def _first(made: list[Candidate]) -> Candidate:
    """The first that says or calls something."""
    return min(
        made, key=lambda candidate: (all(isinstance(p, Thought) for p in candidate.content), candidate.index)
    )
