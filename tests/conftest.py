"""Fixtures that many tests share: real small models, and a real engine with the smallest."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from shared_data import ABSENT

from perpend.config import home_dir
from perpend.engine.catalogue import find
from perpend.engine.pull import pull
from perpend.errors import WeightsError
from perpend.storage import store

USERS_DATA = home_dir()
PIPS_CONFIG = Path.home() / ".config" / "pip" / "pip.conf"
XDG = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


LONG = tuple(
    f"test_{name}.py"
    for name in (
        *("unprivileged", "pathological", "code", "pool", "fault_run", "told", "command", "catalogue"),
        *("ask", "verify", "math", "worker_pool", "suites", "crash", "runtime", "fleet", "supervised"),
        *("commands_run", "hostile", "odd_streams", "verifying", "readiness", "memory", "fuzz", "overload"),
    )
)
"""Files of a few long tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those go first, so that no worker is left alone with one in the end."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """What ../shared would have shown is one line, not one for each place."""
    skipped = terminalreporter.stats.get("skipped", [])
    absent = [report for report in skipped if ABSENT in str(report.longrepr)]
    if not absent:
        return (yield)
    terminalreporter.stats["skipped"] = [report for report in skipped if report not in absent]
    try:
        return (yield)
    finally:
        terminalreporter.write_line(f"{len(absent)} tests skipped: {ABSENT}")
        terminalreporter.stats["skipped"] = skipped


@pytest.fixture(scope="session")
def tiny_path() -> Path:
    """The tiny reasoner: it comes with the package, so tests need no network."""
    path = find("tiny").bundled
    assert path is not None
    return path


@pytest.fixture(scope="session")
def smollm_path(pytestconfig: pytest.Config) -> Path:
    """SmolLM2-135M, 98 MB, for what needs long thoughts or a download: from PERPEND_TEST_WEIGHTS, from the user's
    data folder, or pulled into .pytest_cache.
    """
    weights = find("smollm2-135m")
    if folder := os.environ.get("PERPEND_TEST_WEIGHTS"):
        return Path(folder) / weights.file
    if weights.pulled(USERS_DATA):
        return weights.path(USERS_DATA)
    try:
        return asyncio.run(pull(weights, pytestconfig.cache.mkdir("perpend")))
    except WeightsError as error:
        pytest.skip(f"no small model to test with: {error.message}")


@pytest.fixture(scope="session", autouse=True)
def users_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Perpend's folder in a home that stands in for the user's, with all that programs of others write there."""
    home = tmp_path_factory.mktemp("users-home")
    with pytest.MonkeyPatch.context() as patch:
        # pip has its index from there, and a pull asks it
        patch.setenv("PIP_CONFIG_FILE", os.environ.get("PIP_CONFIG_FILE", str(PIPS_CONFIG)))
        for name in (*XDG, "PERPEND_HOME", "PERPEND_CONFIG"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        yield home_dir()


@pytest.fixture(autouse=True)
def users_data_is_left_alone(users_data: Path) -> Iterator[None]:
    """A test whose Perpend has no PERPEND_HOME would write into that of whoever runs it."""
    yield
    if users_data.exists():
        written = ", ".join(sorted(path.name for path in users_data.iterdir()))
        shutil.rmtree(users_data)
        pytest.fail(f"written into the user's data folder: {written}; set PERPEND_HOME to tmp_path")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as migrations made it, once one was asked for."""
    return tmp_path_factory.mktemp("store") / "perpend.db"


@pytest.fixture(autouse=True)
def stores_are_copied(
    request: pytest.FixtureRequest, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of tests open a new store, which fifty milliseconds of migrations make; tests of the store do it so."""
    migrate = store._migrate  # pyright: ignore[reportPrivateUsage]

    def copy(path: Path) -> None:
        with closing(sqlite3.connect(path)) as new, closing(sqlite3.connect(migrated)) as kept:
            if new.execute("SELECT 1 FROM sqlite_master").fetchone():
                migrate(path)
            elif kept.execute("SELECT 1 FROM sqlite_master").fetchone():
                new.execute("PRAGMA synchronous=OFF")
                kept.backup(new)
            else:
                migrate(path)
                new.backup(kept)

    if request.path.parent.name != "storage":
        monkeypatch.setattr(store, "_migrate", copy)


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
