"""An engine that dies: what was asked is asked again where nothing had come, and told honestly where it goes on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from engine_binary import engine_binary, starts

from perpend.config import Config, DefaultsConfig, EngineConfig, ModelConfig
from perpend.engine import supervisor
from perpend.errors import EngineDied, EngineError, PerpendError
from perpend.runtime import Runtime
from perpend.serving.errors import encoded
from perpend.types import Answer, Limits, Message, Request


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(supervisor, "_LONGEST_DELAY_S", 0.05)


@asynccontextmanager
async def running(home: Path, weights: Path, deaths: int, *, says: bool = False) -> AsyncGenerator[Runtime]:
    config = Config(
        home=home,
        defaults=DefaultsConfig(model="small", cheap_model="small"),
        engine=EngineConfig(binary=engine_binary(home, deaths=deaths, says=says), slots=1, context=512),
        models={"small": ModelConfig(gguf=weights, family="tiny")},
    )
    async with await Runtime.open(config) as runtime:
        await runtime.prepare()
        yield runtime


async def ask(runtime: Runtime) -> Answer:
    limits = Limits(max_thinking_tokens=0, max_output_tokens=8)
    return await runtime.solve(Request(messages=(Message("user", "6 x 7?"),), limits=limits))


async def test_killed_before_its_first_token_it_is_asked_again(tiny_path: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny_path, 1) as runtime:
        answer = await ask(runtime)
        assert (answer.text, answer.truncated, starts(tmp_path)) == ("42", False, 2)
        assert runtime.models.problem("small") is None


async def test_what_has_begun_is_not_asked_again_from_its_start(tiny_path: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny_path, 1, says=True) as runtime:
        answer = await ask(runtime)
        assert (answer.text, answer.stop_reason) == ("4", "upstream_error")


async def test_in_a_crash_loop_it_is_a_503_that_says_when_to_come_back(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "_COOL_DOWN_S", 3.0)
    async with running(tmp_path, tiny_path, 5) as runtime:
        failed: list[PerpendError] = []
        while not failed or isinstance(failed[-1], EngineDied):
            with pytest.raises(PerpendError) as caught:
                await ask(runtime)
            failed.append(caught.value)
        assert isinstance(failed[-1], EngineError)
        for error in failed:
            status, headers, body = encoded(error)
            assert status == 503
            assert 1 <= int(dict(headers)[b"retry-after"]) <= 6
            for inside in ("/secret", "10.1.2.3", "127.0.0.1", str(tmp_path), "GGML", "  |"):
                assert inside not in body.decode()
        assert "started again" in failed[-1].client_message.message
        assert "engine" in (runtime.models.problem("small") or "")
        assert "GGML_ASSERT" in str(failed[-1])
        assert "GGML_ASSERT" in caplog.text
        async with asyncio.timeout(20):  # nobody asks, and it comes back
            while runtime.models.problem("small"):  # noqa: ASYNC110 -- the engine's own business
                await asyncio.sleep(0.05)
        assert (await ask(runtime)).text == "42"
