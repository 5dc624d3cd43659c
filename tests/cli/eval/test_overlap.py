"""`perpend eval overlap`: flagged problems, and what a run makes of them."""

import json
from pathlib import Path

from commands import run
from eval_runs import PROBLEMS, a_run

QUESTION = "How many of the {} apples that the farmer picked on Monday were still there on the next day?"


def test_flagged_problems_and_the_accuracy_on_either_side(tmp_path: Path) -> None:
    suite = [{"id": one.id, "question": QUESTION.format(one.id), "gold": "1"} for one in PROBLEMS]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in suite))
    (tmp_path / "train.txt").write_text(QUESTION.format("p3"))
    a_run(tmp_path / "run", {3, 4}, 64)
    asked = ("eval", "overlap", "mine.jsonl", "--against", "train.txt", "--n", "16", "--run", "run")
    told = json.loads(run(tmp_path, *asked, "--json").stdout)
    assert [one["problem"] for one in told["problems"] if one["flagged"]] == ["p3"]
    assert (told["n"], told["flagged"]["right"], told["questions"]["mostly_shared"]) == (8, 1, 1)
    assert (told["gain"]["flagged"]["estimate"], told["gain"]["flagged"]["n"]) == (1.0, 1)
    assert told["gain"]["clean"]["n"] == 7
    table = run(tmp_path, *asked).stdout
    assert "1 of 8 problems share a run of 16 words" in table
    assert "train.txt:1" in table
