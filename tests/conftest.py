"""Fixtures that many tests share: real small models, and a real engine with the smallest."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from perpend.config import home_dir
from perpend.engine.catalogue import find
from perpend.engine.pull import pull
from perpend.errors import WeightsError

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tiny_path() -> Path:
    """The tiny reasoner: it comes with the package, so tests need no network."""
    path = find("tiny").bundled
    assert path is not None
    return path


@pytest.fixture(scope="session")
def smollm_path() -> Path:
    """SmolLM2-135M, 98 MB, for what needs long thoughts or a download: from PERPEND_TEST_WEIGHTS, from the home
    folder, or pulled into it.
    """
    weights = find("smollm2-135m")
    if folder := os.environ.get("PERPEND_TEST_WEIGHTS"):
        return Path(folder) / weights.file
    try:
        return asyncio.run(pull(weights, home_dir()))
    except WeightsError as error:
        pytest.skip(f"no small model to test with: {error.message}")


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
