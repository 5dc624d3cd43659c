"""`perpend eval import` and `export`: there and back, marks kept or graded anew."""

import json
from pathlib import Path

from commands import run
from eval_runs import a_run


def passed(folder: Path) -> list[bool]:
    return [
        json.loads(line)["verdict"]["passed"] for line in (folder / "samples.jsonl").read_bytes().splitlines()
    ]


def test_there_and_back_with_their_marks_and_with_a_verifiers(tmp_path: Path) -> None:
    a_run(tmp_path / "run", {0, 1}, 16)
    assert run(tmp_path, "eval", "export", "run", "--to", "inspect", "--out", "run.eval").returncode == 0
    assert run(tmp_path, "eval", "import", "run.eval", "--out", "theirs").returncode == 0
    graded = run(tmp_path, "eval", "import", "run.eval", "--out", "ours", "--verifier", "exact")
    assert graded.returncode == 0, graded.stderr
    assert passed(tmp_path / "theirs") == [True, True, *[False] * 6]
    assert passed(tmp_path / "ours") == [False] * 8, "the answers are markup, whatever their marks say"
    beside = run(tmp_path, "eval", "report", "theirs", "ours", "--format", "json")
    assert [one["accuracy"]["estimate"] for one in json.loads(beside.stdout)["runs"]] == [0.25, 0.0]


def test_a_folder_of_several_logs_becomes_several_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        a_run(tmp_path / name, {0}, 16)
        run(tmp_path, "eval", "export", name, "--to", "inspect", "--out", f"logs-{name}.eval")
    (tmp_path / "logs").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"logs-{name}.eval").rename(tmp_path / "logs" / f"{name}.eval")
    assert run(tmp_path, "eval", "import", "logs", "--out", "all").returncode == 0
    assert passed(tmp_path / "all" / "a") == passed(tmp_path / "all" / "b") == [True, *[False] * 7]


def test_what_is_no_log_is_told(tmp_path: Path) -> None:
    refused = run(tmp_path, "eval", "import", "nothing.eval")
    assert (refused.returncode, "isn't there" in refused.stderr) == (2, True)
    empty = run(tmp_path, "eval", "import", str(tmp_path))
    assert (empty.returncode, "holds no log" in empty.stderr) == (2, True)
