"""Several draws for one request: side by side where the model takes that, else one after the other."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from perpend.errors import CapReached, DeadlineTooShort, EngineError, PerpendError, UpstreamError
from perpend.strategies.contract import Session
from perpend.types import Candidate, Sampling

T = TypeVar("T")
Draw = Callable[[Session, int], Awaitable[T]]
"""Makes what has a number, such as a candidate, from its part of the budget."""


def sampling_of(session: Session, number: int, temperature: float | None = None) -> Sampling:
    """The request's sampling with a seed of the candidate's own, and `temperature` where the request names none."""
    asked = session.request.sampling
    return replace(
        asked,
        seed=None if asked.seed is None else asked.seed + number,
        temperature=temperature if asked.temperature is None else asked.temperature,
    )


def sampling_apart(session: Session, number: int, temperature: float | None = None) -> Sampling:
    """As `sampling_of`, for a strategy that draws candidates itself: their seeds are far from those of others."""
    sampling = sampling_of(session, 0, temperature)
    if sampling.seed is None:
        return sampling
    digest = hashlib.sha256(f"{sampling.seed} {number}".encode()).digest()
    return replace(sampling, seed=int.from_bytes(digest[:4]) >> 1)


def rank(candidate: Candidate) -> tuple[bool, float, bool, bool]:
    """The higher the better: what passed, by score, and what says something before what was cut."""
    passed = candidate.verdict is not None and candidate.verdict.passed
    return passed, candidate.score or 0.0, bool(candidate.answer), not candidate.truncated


def full_marks(candidate: Candidate) -> bool:
    """It passed, and nothing could score higher: there's no need for another."""
    verdict = candidate.verdict
    return verdict is not None and verdict.passed and verdict.score >= 1.0


async def drawn(
    session: Session, count: int, draw: Draw[T], *, length_margin: float = 0, first_shown: bool = False
) -> AsyncGenerator[T, None]:
    """Up to `count` candidates, or steps of thoughts, each as soon as it's done; leaving cancels those under way.

    Each has an equal part of what is left when it starts, so what one doesn't use is for those after it. Where the
    budget isn't enough for so many, there are fewer. `length_margin`, where it isn't 0: where parts may be too small
    for a whole thought, the first has all that it needs, and then there are as many as have room for `length_margin`
    times the length of those that ended. `first_shown`: the first may be shown while it is written. A candidate whose
    upstream fails is left out; raises PerpendError where there is none at all.
    """
    parts: dict[asyncio.Task[T], Session] = {}  # in the order in which they were begun
    running: set[asyncio.Task[T]] = set()
    ended: list[Session] = []
    waiting = of = count
    failure: PerpendError | None = None
    try:
        while waiting or running:
            starting, of = _next(session, waiting, len(running), ended, of, length_margin=length_margin)
            for _ in range(starting):
                part = session.budget.part(of, may_show=first_shown and not parts)
                task = asyncio.ensure_future(draw(part, len(parts)))
                running.add(task)
                parts[task] = part
            if not running:
                session.explain(
                    f"{len(parts)} of {count}: what is left has no room for another whole thought"
                )
                break
            waiting -= starting
            over, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in parts if task in over]:
                try:
                    made = task.result()
                except (CapReached, DeadlineTooShort) as error:
                    failure, waiting = error, 0
                except (UpstreamError, EngineError) as error:
                    failure = error
                else:
                    ended.append(parts[task])
                    yield made
            if not (ended or running or waiting) and isinstance(failure, CapReached):
                waiting = of // 2  # larger parts, then
        if not ended and failure is not None:
            raise failure
    finally:
        for task in parts:
            task.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


def _next(
    session: Session, waiting: int, running: int, ended: Sequence[Session], of: int, *, length_margin: float
) -> tuple[int, int]:
    """How many start now, and into how many parts what is left is divided for them."""
    free = min(waiting, session.width - running)
    if not free:
        return 0, of
    if not length_margin or (fitting := session.budget.fitting(waiting, ended, length_margin)) == waiting:
        return free, waiting
    if ended:
        return min(free, fitting), fitting or of
    return (0, of) if running else (1, 1)
