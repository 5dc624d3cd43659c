"""`perpend eval audit` with a real engine: from a suite or from a run, and through kill -9."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from commands import PERPEND, environment, run

from perpend.evals.audits.perturb import PERTURBATIONS

PROBLEMS = 12
AUDIT = ("eval", "audit", "mine.jsonl", "--model", "tiny", "--budget", "64", "--parallel", "2", "--json")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    sums = [(n, 3 * n + 11) for n in range(12, 12 + PROBLEMS)]
    rows = [
        {"id": f"p{a}", "question": f"Add {a} and {b}.", "gold": str(a + b), "verifier": "exact"}
        for a, b in sums
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_killed_it_goes_on_and_a_run_is_audited_alike(home: Path) -> None:
    process = subprocess.Popen(
        [*PERPEND, *AUDIT, "--out", "killed"],
        env=environment(home),
        cwd=home,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    there = home / "killed" / "audit.jsonl"
    end = time.monotonic() + 120
    while not (there.exists() and there.read_bytes().count(b"\n") >= 20) and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.wait()
    known = there.read_bytes().splitlines()[:20]
    ended = run(home, *AUDIT, "--out", "killed")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)["audit"]
    assert there.read_bytes().splitlines()[:20] == known
    assert there.read_bytes().count(b"\n") == PROBLEMS * len(PERTURBATIONS)
    assert {"estimate", "low", "high", "n"} <= set(found["noise"])
    assert found["n"] <= PROBLEMS

    again = run(home, "eval", "audit", "--run", "killed", "--json")
    assert json.loads(again.stdout)["audit"] == found
    table = run(home, "eval", "audit", "--run", "killed")
    assert table.stdout.startswith(found["verdict"])
    assert "swapped" in table.stdout


def test_a_chat_model_is_refused_before_it_costs_anything(home: Path) -> None:
    (home / "perpend.toml").write_text(
        '[providers.far]\nbase_url = "http://127.0.0.1:9/v1"\n[models.chatty]\nprovider = "far"\n'
    )
    refused = run(home, "eval", "audit", "mine.jsonl", "--model", "chatty", "--out", "none")
    assert refused.returncode == 2
    assert "as its own" in refused.stderr
    assert not (home / "none").exists()


def test_bad_use_is_told(home: Path) -> None:
    for arguments in ((), ("mine.jsonl", "--run", "killed")):
        refused = run(home, "eval", "audit", *arguments)
        assert refused.returncode == 2
        assert "name a suite, or a run" in refused.stderr
