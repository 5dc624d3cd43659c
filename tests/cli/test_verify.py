"""`perpend verify`: one verdict, or one for each row."""

import json
from pathlib import Path

import pytest
from commands import run


def test_one(tmp_path: Path) -> None:
    done = run(tmp_path, "verify", "math", "--gold", r"\frac12", "--answer", "So it is 0.5.")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"score": 1.0, "passed": True, "feedback": ""})
    assert run(tmp_path, "verify", "exact", "--gold", "a", "--answer", "b").returncode == 1


def test_one_that_runs_in_the_sandbox(tmp_path: Path) -> None:
    done = run(tmp_path, "verify", "code", "--gold", "assert f() == 1", "--answer", "def f(): return 1")
    assert done.returncode == 0, done.stderr


def test_rows(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"gold": "B", "pred": "(B)"}\n\n{"gold": "B", "pred": "(C)", "more": 1}\n')
    done = run(tmp_path, "verify", "choice", "--jsonl", str(file))
    assert [json.loads(line)["passed"] for line in done.stdout.splitlines()] == [True, False]


def test_a_model_judges(tmp_path: Path) -> None:
    asked = ("--model", "tiny", "--question", "What is 3 + 4?", "--answer", "7")
    for kind in (
        "self_score",
        "process_reward",
        '{"name": "judge", "rubric": "It is right.", "threshold": 0.1}',
    ):
        done = run(tmp_path, "verify", kind, *asked)
        assert 0 <= json.loads(done.stdout)["score"] <= 1
    usage = json.loads(run(tmp_path, "usage", "--json").stdout)
    assert "tiny" in json.dumps(usage)


def test_agreement_with_labels(tmp_path: Path) -> None:
    rows = [("3 + 4 = 7", True), ("3 + 4 = 8", False), ("3 + 4 = 9", True), ("so", True)]
    lines = [json.dumps({"pred": pred, "label": label}) for pred, label in rows]
    done = run(tmp_path, "verify", "numbers", "--jsonl", "-", "--agreement", stdin="\n".join(lines))
    found = json.loads(done.stdout)
    assert (found["n"], found["agreed"], found["false_negatives"], found["false_positives"]) == (4, 3, 1, 0)
    assert found["kappa"] == 0.5
    assert found["agreement"]["low"] < found["agreement"]["estimate"] == 0.75 < found["agreement"]["high"]


def test_a_verifier_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "perpend.toml").write_text(
        '[verifiers.quiet]\ncommand = ["sh", "-c", "echo too loud; exit 1"]\n'
    )
    done = run(tmp_path, "verify", "quiet", "--answer", "HEY")
    assert (done.returncode, json.loads(done.stdout)["feedback"]) == (1, "too loud")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("maths", "--gold", "1", "--answer", "1"), "did you mean 'math'"),
        (("math",), "--gold and --answer"),
        (("math", "--jsonl", "nowhere"), "No such file"),
        (("math", "--answer", "1"), "right answer"),
        (("http", "--answer", "1"), "needs the option 'url'"),
        (('{"name": "judge", "rubrik": "x"}', "--answer", "1"), "no option 'rubrik'"),
        (("{", "--answer", "1"), "isn't JSON"),
        (("numbers", "--jsonl", "-", "--agreement"), "has no rows"),
    ],
)
def test_bad_use(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, "verify", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
