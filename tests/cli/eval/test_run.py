"""`perpend eval run` through kill -9: nothing that was answered is asked again, and the end is the same."""

import json
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from commands import PERPEND, environment, run

PARALLEL = 2
ASKED = ("--model", "tiny", "--samples", "20", "--budget", "64", "--parallel", str(PARALLEL), "--seed", "5")
PROBLEMS = 20


@pytest.fixture
def home(tmp_path: Path) -> Path:
    sums = [(n, 3 * n + 11) for n in range(12, 12 + PROBLEMS)]
    rows = [
        {"id": f"p{a}", "question": f"Add {a} and {b}.", "gold": str(a + b), "verifier": "exact"}
        for a, b in sums
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def samples(folder: Path) -> list[dict[str, Any]]:
    file = folder / "samples.jsonl"
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def test_killed_three_times_it_ends_as_if_it_had_not_been(home: Path) -> None:
    command = ("eval", "run", "mine.jsonl", *ASKED, "--out")
    for least in (40, 120, 240):
        process = subprocess.Popen(
            [*PERPEND, *command, "killed"], env=environment(home), cwd=home, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 120
        while len(samples(home / "killed")) < least and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
        process.wait()
    killed = samples(home / "killed")
    assert 240 <= len(killed) < 20 * PROBLEMS
    ended = run(home, *command, "killed", "--json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["n"], found["samples"]) == (PROBLEMS, 20 * PROBLEMS)
    assert {"estimate", "low", "high"} <= set(found["accuracy"])
    with sqlite3.connect(home / "perpend.db") as store:
        (paid,) = store.execute("select count(*) from requests where source = 'eval'").fetchone()
    assert 20 * PROBLEMS <= paid <= 20 * PROBLEMS + 3 * PARALLEL

    assert run(home, *command, "whole").returncode == 0
    assert keys(home / "killed") == keys(home / "whole")


def keys(folder: Path) -> list[tuple[str, int]]:
    return sorted((sample["problem"], sample["number"]) for sample in samples(folder))


def test_other_settings_need_another_folder(home: Path) -> None:
    asked = ("eval", "run", "mine.jsonl", "--model", "tiny", "--limit", "2", "--out", "one")
    assert run(home, *asked).returncode == 0
    refused = run(home, *asked, "--budget", "32")
    assert refused.returncode == 2
    assert "max_thinking_tokens" in refused.stderr


def test_a_dry_run_asks_nothing(home: Path) -> None:
    asked = ("eval", "run", "mine.jsonl", "--model", "tiny", "--samples", "3")
    told = json.loads(run(home, *asked, "--dry-run", "--json").stdout)
    assert (told["samples"], told["alike"], told["pace"]) == (3 * PROBLEMS, 0, None)
    assert not (home / "runs").exists()


def test_a_dry_run_tells_of_earlier_requests(home: Path) -> None:
    asked = ("eval", "run", "mine.jsonl", "--model", "tiny", "--limit", "4")
    assert run(home, *asked).returncode == 0
    told = json.loads(run(home, *asked, "--samples", "9", "--dry-run", "--json").stdout)
    assert told["alike"] == 4
    assert 0 < told["expected"]["output_tokens"] < told["at_most"]["output_tokens"]
    assert 0 < told["expected"]["seconds"] < told["at_most"]["seconds"]
