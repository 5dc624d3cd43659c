"""The engine's life: it starts, dies, comes back, stops, and never outlives its parent."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perpend.config import EngineConfig
from perpend.engine import supervisor
from perpend.engine.supervisor import Engine
from perpend.errors import EngineError

CONFIG = EngineConfig(slots=1, threads=1)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def environment_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_text().split("\0")


async def test_it_starts_dies_comes_back_and_stops(tiny_path: Path, tmp_path: Path) -> None:
    engine = Engine("small", tiny_path, CONFIG, home=tmp_path, context=512)
    first, again = await asyncio.gather(engine.ready(), engine.ready())
    assert first == again
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: engine.restarts)
    await engine.ready()
    assert engine.state == "ready"
    assert engine.pid not in (None, pid)
    pid = engine.pid
    assert pid is not None
    await engine.stop()
    assert not alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("own", [None, "7"])
async def test_its_threads_do_not_spin_for_long_unless_told_to(
    own: str | None, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    if own:
        monkeypatch.setenv("GOMP_SPINCOUNT", own)
    engine = Engine("small", tiny_path, CONFIG, home=tmp_path, context=512)
    await engine.ready()
    assert engine.pid is not None
    environment = environment_of(engine.pid)
    await engine.stop()
    assert f"GOMP_SPINCOUNT={own or 1000}" in environment


async def test_weights_that_are_no_model_are_refused_with_a_reason(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + b"\x00" * 100)
    with pytest.raises(EngineError):
        await Engine("bad", bad, CONFIG, home=tmp_path, context=512).ready()


async def test_a_start_that_takes_too_long_is_a_failure(tiny_path: Path, tmp_path: Path) -> None:
    config = EngineConfig(slots=1, threads=1, start_timeout_s=0.01)
    engine = Engine("slow", tiny_path, config, home=tmp_path, context=512)
    with pytest.raises(EngineError, match="did not start within"):
        await engine.ready()
    assert engine.state == "failed"
    assert engine.pid is None


async def test_one_that_keeps_dying_rests_and_comes_back_by_itself(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_TRIES", 2)
    monkeypatch.setattr(supervisor, "_COOL_DOWN_S", 1.0)
    engine = Engine("small", tiny_path, CONFIG, home=tmp_path, context=512)
    assert engine.problem is None  # it would be started
    for _ in range(2):
        await engine.ready()
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        await until(lambda: engine.problem)
    assert engine.state == "failed"
    with pytest.raises(EngineError, match="failed 2 times, and is started again in 1 s") as caught:
        await engine.ready()
    assert 0 < (caught.value.retry_after or 0) <= 1
    assert "small" not in caught.value.client_message.message
    await until(lambda: engine.state == "ready")
    assert (engine.problem, engine.restarts) == (None, 2)
    await engine.stop()


async def test_a_request_at_the_moment_of_a_failed_restart_starts_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[EngineError | None] = []

    async def start(engine: Engine, delay_s: float) -> str:
        starts.append(None if len(starts) else EngineError("it could not start"))
        if starts[-1] is not None:
            raise starts[-1]
        await asyncio.sleep(1000)
        return ""

    async def ask_as_soon_as_it_has_failed() -> None:
        while not starts:  # noqa: ASYNC110 -- an event would be seen a moment later
            await asyncio.sleep(0)
        await engine.ready()

    monkeypatch.setattr(Engine, "_start", start)
    engine = Engine("small", tmp_path / "weights.gguf", CONFIG, home=tmp_path, context=512)
    asked = asyncio.create_task(ask_as_soon_as_it_has_failed())
    engine._restart()  # pyright: ignore[reportPrivateUsage]
    asked_too = asyncio.create_task(ask_as_soon_as_it_has_failed())
    await asyncio.sleep(0.1)
    assert len(starts) == 2
    asked.cancel()
    asked_too.cancel()
    await engine.stop()


async def test_one_that_was_stopped_has_no_problem(tiny_path: Path, tmp_path: Path) -> None:
    engine = Engine("small", tiny_path, CONFIG, home=tmp_path, context=512)
    await engine.ready()
    await engine.stop()
    assert (engine.problem, engine.state) == (None, "stopped")


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 -- the watcher is the engine's own business
            await asyncio.sleep(0.01)


PARENT = """
import asyncio, sys
from pathlib import Path
from perpend.config import EngineConfig
from perpend.engine.supervisor import Engine
async def main():
    engine = Engine("small", Path(sys.argv[1]), EngineConfig(slots=1), home=Path(sys.argv[2]), context=512)
    await engine.ready()
    print(engine.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_kill_9_of_the_parent_leaves_no_orphan(tiny_path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tiny_path), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    for _ in range(40):
        if not alive(pid):
            return
        time.sleep(0.05)
    pytest.fail("the engine outlived its parent")
