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


@pytest.mark.parametrize(
    ("kind", "right", "bad"),
    [
        ("regex", "a+", ["(", "a{99999999999}"]),
        ("schema", "true", ["{", '{"$ref": "#"}', '{"$ref": "#/a"}', '{"$ref": "https://a.example/b.json"}']),
        ("choice", "B", ["none", None]),
        ("code", "assert 1", ["def f(", "x"]),
    ],
)
def test_a_bad_gold_is_its_own_rows_alone(
    kind: str, right: str, bad: list[str | None], tmp_path: Path
) -> None:
    golds = [right, *bad, right]
    answer = '"B"' if kind == "schema" else {"regex": "aa", "code": "x = 1"}.get(kind, "B")
    lines = [json.dumps({"gold": gold, "pred": answer, "label": True}) for gold in golds]
    done = run(tmp_path, "verify", kind, "--jsonl", "-", stdin="\n".join(lines))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["passed"] for row in rows] == [gold == right for gold in golds]
    assert [bool(row.get("error")) for row in rows] == [gold != right for gold in golds]
    assert all(row["feedback"] for row in rows if not row["passed"])
    assert done.returncode == 1
    assert "line 2" in done.stderr
    assert "Traceback" not in done.stderr
    agreed = run(tmp_path, "verify", kind, "--jsonl", "-", "--agreement", stdin="\n".join(lines))
    assert (json.loads(agreed.stdout)["n"], agreed.returncode) == (2, 1)


def test_an_answer_that_is_nested_deep(tmp_path: Path) -> None:
    deep = "[" * 5000 + "]" * 5000
    for kind, gold in (
        ("schema", '{"type": "array"}'),
        ("literal", "[1]"),
        ("countdown", '{"numbers": [], "target": 1}'),
    ):
        done = run(tmp_path, "verify", kind, "--gold", gold, "--answer", deep)
        assert (done.returncode, json.loads(done.stdout)["passed"], done.stderr) == (1, False, "")
    done = run(tmp_path, "verify", "exact", "--jsonl", "-", stdin=f'{{"pred": "a", "more": {deep}}}')
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_file_in_another_encoding_is_bad_use(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"pred": "a"}\n{"pred": "\xff"}\n')
    done = run(tmp_path, "verify", "exact", "--gold", "a", "--jsonl", str(file))
    assert (done.returncode, "rows.jsonl:2: 'utf-8' codec" in done.stderr) == (2, True)


def test_a_pattern_that_explodes_ends(tmp_path: Path) -> None:
    done = run(tmp_path, "verify", "regex", "--gold", "(a+)+c", "--answer", "a" * 40 + "b")
    assert (done.returncode, "too long" in json.loads(done.stdout)["feedback"]) == (1, True)


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
