import sys
from collections.abc import Awaitable, Callable

import pytest
from spine import Spine

from perpend.strategies import Session
from perpend.types import Answer, Candidate, Request, StrategySpec

Strategy = Callable[[Session], Awaitable[Candidate]]
Play = Callable[[Spine, Request, Strategy], Awaitable[Answer]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Solves a request with a strategy that nobody registered."""

    async def solved(spine: Spine, asked: Request, strategy: Strategy) -> Answer:
        def decided(spec: StrategySpec) -> tuple[Strategy, dict[str, object]]:
            return strategy, {}

        monkeypatch.setattr(sys.modules["perpend.solve.prepare"], "with_options", decided)
        return await spine.ask(asked)

    return solved
