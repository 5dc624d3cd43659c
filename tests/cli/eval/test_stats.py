"""`perpend eval stats`: as a table, as JSON, and against a baseline."""

import json
from pathlib import Path

import pytest
from commands import run
from eval_runs import a_run

HALVES = ("1/2", "0.5", "0.50", "7")


def written(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def samples(path: Path) -> str:
    rows: list[dict[str, object]] = [
        {
            "problem": f"p{problem}",
            "answer": answer,
            "correct": answer != "7",
            "thinking_tokens": 10 * problem,
            "cost_usd": 0.001,
            "budget": budget,
        }
        for problem in range(3)
        for answer in HALVES
        for budget in (32, 64)
    ]
    return written(path, rows)


def test_json_has_each_statistic_under_its_name(tmp_path: Path) -> None:
    done = run(tmp_path, "eval", "stats", samples(tmp_path / "s.jsonl"), "--json")
    found = json.loads(done.stdout)
    assert found["pass@1"]["estimate"] == 0.75
    assert found["pass@8"]["estimate"] == 1.0
    assert {"pass@4", "maj@1", "maj@8", "cost_per_correct_usd", "thinking_tokens", "curve"} <= set(found)
    assert found["pass@1"]["low"] < 0.75 < found["pass@1"]["high"]
    assert found["curve"]["regime"] == "flat"


def test_votes_are_counted_as_a_verifier_says(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"problem": "a", "answer": answer, "correct": answer != "7"}
        for answer in ("1/2", "0.5", "7", "7", ".5")
    ]
    file = written(tmp_path / "s.jsonl", rows)
    by_text = json.loads(run(tmp_path, "eval", "stats", file, "--json").stdout)
    as_numbers = json.loads(run(tmp_path, "eval", "stats", file, "--json", "--verifier", "answer").stdout)
    assert (by_text["maj@5"]["estimate"], as_numbers["maj@5"]["estimate"]) == (0.0, 1.0)


def test_a_table_for_people(tmp_path: Path) -> None:
    file = samples(tmp_path / "s.jsonl")
    done = run(tmp_path, "eval", "stats", file, "--baseline", file)
    assert done.returncode == 0, done.stderr
    for words in (
        "24 samples of 3 problems",
        "pass@k",
        "0.75 (",
        "regime: flat",
        "against",
        "$ per right answer",
    ):
        assert words in done.stdout


def test_nothing_right_is_null(tmp_path: Path) -> None:
    file = written(tmp_path / "s.jsonl", [{"problem": 1, "correct": False, "cost_usd": 1}])
    assert json.loads(run(tmp_path, "eval", "stats", file, "--json").stdout)["cost_per_correct_usd"] == {
        "estimate": None,
        "low": None,
        "high": None,
        "n": 1,
    }


def test_bad_use(tmp_path: Path) -> None:
    file = written(tmp_path / "s.jsonl", [{"problem": "a", "correct": True}, {"problem": "a"}])
    done = run(tmp_path, "eval", "stats", file)
    assert done.returncode == 2
    assert f"{file}:2: Object missing required field `correct`" in done.stderr
    assert '"problem" and "correct"' in done.stderr


def test_a_runs_folder_is_read_as_its_samples(tmp_path: Path) -> None:
    a_run(tmp_path / "run", {0, 1}, 16)
    found = json.loads(run(tmp_path, "eval", "stats", "run", "--baseline", "run", "--json").stdout)
    assert (found["pass@1"]["estimate"], found["baselines"][0]["better"]) == (0.25, 0)


def test_candidates_of_a_run_are_graded_as_the_run_was(tmp_path: Path) -> None:
    folder = str(a_run(tmp_path / "voted", right={0, 1, 2, 3}, budget=64, candidates=("3", "", "3")))
    done = run(tmp_path, "eval", "stats", folder, "--candidates", "--baseline", folder, "--json")
    found = json.loads(done.stdout)
    assert (found["problems"], found["samples"]) == (8, 24)
    assert found["pass@1"]["estimate"] == pytest.approx(2 / 24)
    assert found["best@2"]["estimate"] == pytest.approx(2 / 3 / 8)
    assert found["thinking_tokens"]["all"]["mean"] == 7
    assert found["baselines"][0]["difference"]["estimate"] == pytest.approx(2 / 24 - 4 / 8)


def test_a_run_without_candidates_has_none_to_look_at(tmp_path: Path) -> None:
    folder = str(a_run(tmp_path / "single", right={0}, budget=64))
    done = run(tmp_path, "eval", "stats", folder, "--candidates")
    assert done.returncode == 2
    assert "several candidates" in done.stderr
