"""`perpend eval suites`, `init` and `check`."""

import json
from pathlib import Path

from commands import run


def test_suites_say_where_they_are_and_how_to_get_them(tmp_path: Path) -> None:
    (tmp_path / "amc23.jsonl").write_text("")
    done = run(tmp_path, "eval", "suites", "--json", PERPEND_DATA=str(tmp_path))
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"gym", "gsm8k", "gpqa", "livecodebench", "swe_bench_verified"} <= set(rows)
    assert (rows["amc23"]["found"], rows["gsm8k"]["found"]) == ("PERPEND_DATA", None)
    assert "perpend eval pull gsm8k" in rows["gsm8k"]["how"]
    assert "aime2024" in run(tmp_path, "eval", "suites").stdout


def test_init_then_check(tmp_path: Path) -> None:
    assert run(tmp_path, "eval", "init", "mine.jsonl").returncode == 0
    done = run(tmp_path, "eval", "check", "mine.jsonl")
    assert done.returncode == 0, done.stderr
    assert "4 golds put to their verifiers: sound" in done.stdout


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("question,gold,verifier\nOne?,.*,regex\nOne?,1,exact\n")
    done = run(tmp_path, "eval", "check", "mine.csv", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["sound"], found["tried"]) == (1, False, 2)
    assert "the same question has different golds" in [finding["what"] for finding in found["findings"]]
    assert "did you mean 'gsm8k'" in run(tmp_path, "eval", "check", "gsm9k").stderr
