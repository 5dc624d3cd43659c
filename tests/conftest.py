"""Fixtures that many tests share: a real small model, and a real engine with them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perpend.engine.catalogue import find


@pytest.fixture(scope="session")
def tiny_path() -> Path:
    """The tiny reasoner: it comes with the package, so tests need no network."""
    path = find("tiny").bundled
    assert path is not None
    return path


@pytest.fixture(scope="session")
def engine_url(tiny_path: Path) -> Iterator[str]:
    """The base URL of a real engine with two slots of 2048 tokens."""
    launch = {"model": str(tiny_path), "slots": 2, "context": 2048, "threads": 2, "cache_mib": 64}
    with subprocess.Popen(
        [sys.executable, "-m", "perpend.engine.child", json.dumps(launch)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())["url"]
        assert child.stdin is not None
        child.stdin.close()
        child.wait(timeout=10)
