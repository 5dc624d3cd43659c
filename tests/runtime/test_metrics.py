"""What a gateway counts of its engines: a real one is killed, and `/metrics` says that it was started again."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from gateway import Gateway, running, small_model

RESTARTS = 'perpend_engine_restarts_total{model="small"}'


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_engine_that_was_started_again_is_counted(tmp_path: Path, tiny_path: Path) -> None:
    small_model(tmp_path, tiny_path)
    with running(tmp_path) as gateway:
        assert f"{RESTARTS} 0.0" in gateway.metrics()
        os.kill(engine_of(gateway), signal.SIGKILL)
        until = time.monotonic() + 30
        while f"{RESTARTS} 1.0" not in gateway.metrics():
            assert time.monotonic() < until
            time.sleep(0.05)
        gateway.wait_ready()


def engine_of(gateway: Gateway) -> int:
    """The process that serves the gateway's model."""
    pid = gateway.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (engine,) = [
        child for child in children if b"engine.child" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return int(engine)
