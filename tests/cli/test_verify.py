"""`perpend verify`: one verdict, or one for each row."""

import json
from pathlib import Path

import pytest
from commands import run


def test_one(tmp_path: Path) -> None:
    done = run(tmp_path, "verify", "math", "--gold", r"\frac12", "--answer", "So it is 0.5.")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"score": 1.0, "passed": True, "feedback": ""})
    assert run(tmp_path, "verify", "exact", "--gold", "a", "--answer", "b").returncode == 1


def test_rows(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"gold": "B", "pred": "(B)"}\n\n{"gold": "B", "pred": "(C)", "more": 1}\n')
    done = run(tmp_path, "verify", "choice", "--jsonl", str(file))
    assert [json.loads(line)["passed"] for line in done.stdout.splitlines()] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("maths", "--gold", "1", "--answer", "1"), "did you mean 'math'"),
        (("math",), "--gold and --answer"),
        (("math", "--jsonl", "nowhere"), "No such file"),
    ],
)
def test_bad_use(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, "verify", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
