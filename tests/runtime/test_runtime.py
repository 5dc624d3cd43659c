"""A runtime keeps its promises when what it started goes away."""

import os
import signal
from pathlib import Path

import pytest

from perpend.config import Config, EngineConfig, ModelConfig
from perpend.engine.pool import EnginePool
from perpend.runtime import Runtime
from perpend.types import Event, Limits, Message, Request, Sampling, ThinkingDelta


async def test_an_engine_killed_in_the_middle_is_answered_from_and_the_next_request_works(
    smollm_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    small = ModelConfig(gguf=smollm_path, family="smollm2")
    config = Config(models={"small": small}, engine=EngineConfig(slots=1, context=1024))
    question = Request(
        messages=(Message("user", "Tell me about the sea."),),
        model="small",
        limits=Limits(max_thinking_tokens=200, max_output_tokens=220),
        sampling=Sampling(temperature=0),  # so small a model draws an answer without a word now and then
    )
    async with await Runtime.open(config) as runtime:
        await runtime.prepare("small")
        assert isinstance(runtime.engines, EnginePool)
        pid: int | None = runtime.engines.get("small", smollm_path, 1024).pid

        async def kill_when_it_thinks(batch: list[Event]) -> None:
            nonlocal pid
            if pid is not None and isinstance(batch[0], ThinkingDelta):
                os.kill(pid, signal.SIGKILL)
                pid = None

        answer = await runtime.solve(question, kill_when_it_thinks)
        assert (answer.truncated, answer.stop_reason) == (True, "upstream_error")
        assert answer.thinking
        assert answer.text
        again = await runtime.solve(question)
        assert again.stop_reason != "upstream_error"
        assert again.text
