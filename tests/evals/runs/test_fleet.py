"""A run on two Ray nodes, one of which is killed in the midst, ends as a run on none does."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from commands import PERPEND, environment, run
from scripted import STARTED, answer

from perpend.errors import EngineError
from perpend.evals.runs.fleet import Fleet
from perpend.evals.runs.log import SampleLog
from perpend.types import Answer, CallFailed, Event, Request, Started

RAY = pytest.importorskip("ray.exceptions", reason="the extra `ray` isn't installed")
PROBLEMS, SAMPLES, PARALLEL = 20, 40, 6
ASKED = ("--model", "tiny", "--samples", str(SAMPLES), "--budget", "64", "--temperature", "0", "--seed", "5")
QUICK = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    sums = [(n, 3 * n + 11) for n in range(12, 12 + PROBLEMS)]
    rows = [
        {"id": f"p{a}", "question": f"Add {a} and {b}.", "gold": str(a + b), "verifier": "exact"}
        for a, b in sums
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


class Nodes:
    """Two real ones, each with a PERPEND_HOME and so a ledger of its own."""

    def __init__(self, path: Path) -> None:
        self.homes = [path / "first", path / "second"]
        sizes: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 80 << 20, "include_dashboard": False}
        self._cluster = import_module("ray.cluster_utils").Cluster()
        self._nodes = [
            self._cluster.add_node(**sizes, env_vars=self._environment(home), **more)
            for home, more in zip(self.homes, ({"_system_config": QUICK}, {}), strict=True)
        ]

    @staticmethod
    def _environment(home: Path) -> dict[str, str]:
        kept = {name: value for name, value in environment(home).items() if name.startswith("PERPEND_")}
        return {**kept, "RAY_USAGE_STATS_ENABLED": "0"}

    @property
    def address(self) -> str:
        return self._cluster.address

    def paid(self, node: int) -> int:
        place = self.homes[node] / "perpend.db"
        if not place.exists():
            return 0
        with sqlite3.connect(place) as store:
            try:
                return store.execute("select count(*) from requests where source = 'eval'").fetchone()[0]
            except sqlite3.OperationalError:  # being made
                return 0

    def kill(self, node: int) -> None:
        self._cluster.remove_node(self._nodes[node], allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    found = Nodes(tmp_path_factory.mktemp("nodes"))
    yield found
    found.shutdown()


def test_what_no_engine_can_start_with_is_told_at_once(home: Path, nodes: Nodes) -> None:
    command = ("eval", "run", "mine.jsonl", "--model", "missing.gguf", "--on", "ray", "--out", "none")
    told = run(home, *command, RAY_ADDRESS=nodes.address)
    assert told.returncode == 1
    assert "missing.gguf" in told.stderr
    assert not (home / "none/samples.jsonl").read_bytes(), "nothing was asked"


def test_a_run_outlives_a_node(home: Path, nodes: Nodes) -> None:
    command = ("eval", "run", "mine.jsonl", *ASKED, "--parallel", str(PARALLEL))
    process = subprocess.Popen(
        [*PERPEND, *command, "--on", "ray", "--out", "fleet", "--json"],
        env=environment(home, RAY_ADDRESS=nodes.address),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: process.poll() is not None or min(nodes.paid(0), nodes.paid(1)) >= PROBLEMS)
    nodes.kill(1)
    killed_at = nodes.paid(1)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert json.loads(out)["samples"] == SAMPLES * PROBLEMS
    assert json.loads(out)["failed"] == 0
    assert 0 < killed_at < SAMPLES * PROBLEMS - nodes.paid(0) + PARALLEL
    paid = nodes.paid(0) + nodes.paid(1)
    assert SAMPLES * PROBLEMS <= paid <= SAMPLES * PROBLEMS + PARALLEL, (
        "only what was in flight is asked again"
    )

    assert run(home, *command, "--out", "here").returncode == 0
    assert kept(home / "fleet") == kept(home / "here")


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not done() and time.monotonic() < end:
        time.sleep(0.05)


def kept(folder: Path) -> dict[tuple[str, int], tuple[str, str]]:
    """By problem and number; each is there once."""
    found = [json.loads(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]
    assert len(found) == SAMPLES * PROBLEMS
    return {(one["problem"], one["number"]): (one["thinking"], one["answer"]) for one in found}


class Engines:
    """Stand for actors: `dies` says how often the next requests end with the engine."""

    def __init__(self, dies: int) -> None:
        self.dies = dies
        self.asked = 0
        self.started = 0
        self.answer = self.ready = self.close = self

    def options(self, **_: object) -> "Starting":
        return Starting(self)

    async def remote(self, *_: object) -> tuple[Answer, list[tuple[float, Event]]]:
        self.asked += 1
        if self.asked <= self.dies:
            raise RAY.RayActorError
        return answer(), [(0.0, STARTED)]


class Starting:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def remote(self) -> None:
        self._engines.started += 1


async def test_a_sample_is_asked_again_where_its_engine_died() -> None:
    engines, log = Engines(dies=2), SampleLog()
    found = Fleet([engines])
    assert (await found.answer(Request(messages=()), log)).text == answer().text
    assert (engines.asked, engines.started) == (3, 3)
    assert [type(event) for _, event in log.events] == [CallFailed, CallFailed, Started]


async def test_a_sample_that_engines_die_of_is_given_up() -> None:
    engines = Engines(dies=99)
    with pytest.raises(EngineError, match="3 engines died"):
        await Fleet([engines]).answer(Request(messages=()), SampleLog())
    assert engines.asked == 3
