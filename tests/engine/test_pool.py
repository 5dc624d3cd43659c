"""Several engines in one process: who makes room for whom, with real engines."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest

from perpend.config import EngineConfig
from perpend.engine.gguf import read_facts
from perpend.engine.pool import EnginePool

CONFIG = EngineConfig(slots=1, threads=1, keep_loaded=1)
CONTEXT = 2048


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncGenerator[EnginePool, None]:
    made = EnginePool(CONFIG, tmp_path)
    yield made
    await made.aclose()


def state(pool: EnginePool, name: str, path: Path) -> str:
    return pool.get(name, path, CONTEXT).state


async def test_the_same_name_is_the_same_engine(pool: EnginePool, tiny_path: Path) -> None:
    assert pool.get("one", tiny_path, CONTEXT) is pool.get("one", tiny_path, CONTEXT)


async def test_weights_that_are_written_anew_count_once_an_engine_has_loaded_them(
    pool: EnginePool, tiny_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "own.gguf"
    assert pool.weights_version("own", path) == ""
    shutil.copyfile(tiny_path, path)
    before = pool.weights_version("own", path)
    await pool.ready("own", path, CONTEXT)
    os.utime(path, ns=(1, 1))
    assert pool.weights_version("own", path) == before  # those that answer
    await pool.get("own", path, CONTEXT).stop()
    after = pool.weights_version("own", path)
    assert after != before
    await pool.ready("own", path, CONTEXT)
    assert pool.weights_version("own", path) == after


async def test_an_idle_engine_makes_room_and_a_busy_one_doesnt(pool: EnginePool, smollm_path: Path) -> None:
    one = await pool.ready("one", smollm_path, CONTEXT)
    await pool.ready("two", smollm_path, CONTEXT)
    assert state(pool, "one", smollm_path) == "stopped"
    two = await pool.ready("two", smollm_path, CONTEXT)
    assert one != two
    body = {"prompt": "Once upon a time", "n_predict": 2000, "stream": True, "ignore_eos": True}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{two}/completion", json=body, timeout=aiohttp.ClientTimeout(total=None)) as response,
    ):
        await response.content.readany()
        await pool.ready("one", smollm_path, CONTEXT)
        assert state(pool, "two", smollm_path) == "ready"
        response.close()
    assert state(pool, "one", smollm_path) == "ready"


async def test_the_least_recently_used_one_goes(tmp_path: Path, tiny_path: Path) -> None:
    pool = EnginePool(EngineConfig(slots=1, threads=1, keep_loaded=2), tmp_path)
    try:
        await asyncio.gather(*(pool.ready(name, tiny_path, CONTEXT) for name in ("one", "two")))
        await pool.ready("one", tiny_path, CONTEXT)  # "two" is the one that wasn't used for longest
        await pool.ready("three", tiny_path, CONTEXT)
        loaded = {name: state(pool, name, tiny_path) for name in ("one", "two", "three")}
        assert loaded == {"one": "ready", "two": "stopped", "three": "ready"}
    finally:
        await pool.aclose()


async def test_the_context_is_the_configs_else_the_models(tiny_path: Path, tmp_path: Path) -> None:
    facts = read_facts(tiny_path)
    assert EnginePool(EngineConfig(context=777), tmp_path).context(facts) == 777
    assert EnginePool(EngineConfig(), tmp_path).context(facts) == facts.context
