"""Workers that can't start end the gateway, with what the last of them ended with."""

import asyncio
import sys
from pathlib import Path

import pytest

from perpend.config.schema import EngineConfig
from perpend.engine.pool import EnginePool
from perpend.errors import PerpendError
from perpend.serving.server import bind_each
from perpend.serving.workers import supervisor
from perpend.serving.workers.hub import Hub
from perpend.serving.workers.supervisor import WorkerSupervisor


def supervised(program: str, home: Path) -> WorkerSupervisor:
    hub = Hub(b"", 2, EnginePool(EngineConfig(), home), lambda: None)
    return WorkerSupervisor((sys.executable, "-S", "-c", program), bind_each("127.0.0.1", 0, 2), hub)


async def test_workers_that_never_listen_end_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_FIRST_DELAY_S", 0.01)
    with pytest.raises(PerpendError, match=r"worker \d ended with status 7, for the 5th time in a row"):
        await supervised("raise SystemExit(7)", tmp_path).run(lambda: None)


async def test_one_that_ignores_the_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_KILL_AFTER_S", 0.2)
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)"
    workers = supervised(deaf, tmp_path)
    running = asyncio.create_task(workers.run(lambda: None))
    await asyncio.sleep(0.3)
    workers.stop()
    await asyncio.wait_for(running, 20)


def test_each_worker_has_a_listener_at_the_same_address() -> None:
    listeners = bind_each("127.0.0.1", 0, 3)
    assert len({listener.getsockname() for listener in listeners}) == 1
    if sys.platform == "linux":
        assert len(set(listeners)) == 3
    for listener in listeners:
        listener.close()


def test_an_address_that_others_listen_at_is_refused_though_it_could_be_shared() -> None:
    taken = bind_each("127.0.0.1", 0, 2)
    try:
        with pytest.raises(PerpendError, match="in use"):
            bind_each("127.0.0.1", taken[0].getsockname()[1], 2)
    finally:
        for listener in taken:
            listener.close()
