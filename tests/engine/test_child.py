"""The command line of a `llama-server`, and one run as the engine where there is one."""

import os
from pathlib import Path

import pytest

from perpend.config import Config, DefaultsConfig, EngineConfig, ModelConfig
from perpend.engine.child import EngineLaunch, binary_command
from perpend.engine.pool import EnginePool
from perpend.engine.supervisor import Engine
from perpend.errors import EngineError
from perpend.runtime import Runtime
from perpend.types import Limits, Message, Request


def test_the_settings_become_flags() -> None:
    launch = EngineLaunch(
        model="/m.gguf", slots=3, context=1000, threads=5, cache_mib=64, binary="/bin/llama-server"
    )
    command = binary_command(launch, 1234)
    assert command[0] == "/bin/llama-server"
    flags = dict(zip(command[1::2], command[2::2], strict=False))
    assert flags["--model"] == "/m.gguf"
    assert (flags["--host"], flags["--port"]) == ("127.0.0.1", "1234")
    assert (flags["--parallel"], flags["--ctx-size"]) == ("3", "3000")
    assert (flags["--threads"], flags["--threads-batch"], flags["--cache-ram"]) == ("5", "5", "64")


@pytest.mark.parametrize("script", [None, "#!/bin/sh\necho no such flag >&2\nexit 1\n"])
async def test_a_binary_that_doesnt_serve_is_an_error_with_its_words(
    script: str | None, tiny_path: Path, tmp_path: Path
) -> None:
    binary = tmp_path / "llama-server"
    if script is not None:
        binary.write_text(script)
        binary.chmod(0o755)
    config = EngineConfig(binary=binary, slots=1, threads=1)
    engine = Engine("small", tiny_path, config, home=tmp_path, context=512)
    try:
        with pytest.raises(EngineError, match="no such flag" if script else "can't be run"):
            await engine.ready()
    finally:
        await engine.stop()


async def test_a_llama_server_of_ones_own_answers_in_budget(smollm_path: Path, tmp_path: Path) -> None:
    binary = os.environ.get("PERPEND_TEST_LLAMA_SERVER")
    if not binary:
        pytest.skip("PERPEND_TEST_LLAMA_SERVER names no llama-server")
    config = Config(
        home=tmp_path,
        defaults=DefaultsConfig(model="small", cheap_model="small"),
        engine=EngineConfig(binary=Path(binary), slots=1, context=1024),
        models={"small": ModelConfig(gguf=smollm_path, family="smollm2")},
    )
    request = Request(
        messages=(Message("user", "What is 2 + 3?"),),
        limits=Limits(max_thinking_tokens=16, max_output_tokens=48),
    )
    async with await Runtime.open(config) as runtime:
        await runtime.prepare()
        assert isinstance(runtime.engines, EnginePool)
        pid = runtime.engines.get("small", smollm_path, 1024).pid
        answer = await runtime.solve(request)
    assert answer.text
    assert 0 < answer.usage.thinking <= 16
    assert answer.usage.input > 0
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
