"""The searching and looping strategies with a real model: the tiny reasoner, in a real engine."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from perpend.config import Config, EngineConfig
from perpend.runtime import Runtime
from perpend.strategies import strategy_spec
from perpend.types import Limits, Message, Request, Sampling, VerifierSpec

STEPS = {"step": "\n", "step_tokens": 16}
"""A line is a step of this model's."""
STRATEGIES: list[dict[str, Any]] = [
    {"name": "beam", **STEPS},
    {"name": "beam", "diverse": True, **STEPS},
    {"name": "tree", "search": "bfs", "breadth": 2, **STEPS},
    {"name": "tree", "search": "dfs", "breadth": 2, **STEPS},
    {"name": "tree", "search": "mcts", "breadth": 2, **STEPS},
    {"name": "refine"},
    {"name": "cascade", "models": ["tiny", "tiny"]},
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def runtime(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime, None]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERPEND_HOME", str(home))
        config = Config(engine=EngineConfig(threads=2))
        async with await Runtime.open(config) as opened:
            yield opened


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@pytest.mark.asyncio(loop_scope="module")
async def test_an_easy_sum_is_solved_inside_the_budget(runtime: Runtime, strategy: dict[str, Any]) -> None:
    asked = Request(
        messages=(Message("user", "Add 71 and 83."),),
        model="tiny",
        limits=Limits(max_thinking_tokens=200),
        sampling=Sampling(seed=1),
        strategy=strategy_spec(strategy),
        verifier=VerifierSpec("exact", "154"),
    )
    answer = await runtime.solve(asked)
    assert answer.text == "154"
    assert answer.usage.thinking <= 200
    assert answer.candidates[-1].model == "tiny"
