"""Runs of words that problems share with training files."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared

from perpend.errors import BadRequest
from perpend.evals.audits.overlap import Overlap, gain, overlaps
from perpend.evals.problems import Problem
from perpend.evals.runs.rows import SampleRow
from perpend.ngrams import FEWEST, NgramIndex, SharedRuns
from perpend.types import Message, VerifierSpec

QUESTION = "A farmer has twelve hens and each of them lays five eggs in a week so how many eggs are there"
SHORT = "One two three four five six seven eight"


def problem(id_: str, question: str, solution: str | None = None) -> Problem:
    asked = f"{question}\n\nReason step by step, and put your final answer within \\boxed{{}}."
    return Problem(
        id=id_, messages=(Message("user", asked),), verifier=VerifierSpec("math", "60"), solution=solution
    )


def found(path: Path, *problems: Problem, n: int = 13) -> list[Overlap]:
    return overlaps(problems, [path], n=n)


def test_a_question_in_a_text_field_is_found_with_its_line(tmp_path: Path) -> None:
    rows = [{"text": "nothing"}, {"turns": [{"role": "user", "content": f"Please: {QUESTION.upper()}?!"}]}]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    one, other = found(tmp_path / "train.jsonl", problem("a", QUESTION), problem("b", QUESTION[::-1]))
    assert one.question == SharedRuns(1.0, 21, "train.jsonl:2")
    assert (one.flagged, other.flagged) == (True, False)
    assert one.solution is None


def test_a_run_goes_on_over_the_lines_of_a_text_and_not_over_fields(tmp_path: Path) -> None:
    half = QUESTION.split()[:10], QUESTION.split()[10:]
    (tmp_path / "train.txt").write_text("\n".join(map(" ".join, half)))
    (tmp_path / "train.jsonl").write_text(json.dumps(list(map(" ".join, half))))
    (one,) = found(tmp_path / "train.txt", problem("a", QUESTION))
    assert one.question == SharedRuns(1.0, 21, "train.txt:2")
    (other,) = found(tmp_path / "train.jsonl", problem("a", QUESTION))
    assert not other.flagged


def test_solutions_are_looked_for_too(tmp_path: Path) -> None:
    solution = "Each hen lays five eggs, so twelve hens lay 12*5 = 60 eggs in that week."
    with gzip.open(tmp_path / "train.txt.gz", "wt") as file:
        file.write(solution)
    (one,) = found(tmp_path / "train.txt.gz", problem("a", QUESTION, solution))
    assert one.solution is not None
    assert one.solution.share == 1
    assert one.question == SharedRuns(0.0, 0, None)
    assert one.flagged


def test_a_short_text_counts_as_a_whole_and_a_shorter_one_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(SHORT)
    whole, part = found(tmp_path / "train.txt", problem("a", SHORT), problem("b", SHORT.rsplit(" ", 1)[0]))
    assert whole.question == SharedRuns(1.0, FEWEST, "train.txt:1")
    assert part.question is None


@given(
    st.lists(st.sampled_from("abc"), min_size=8, max_size=24), st.lists(st.sampled_from("abc"), max_size=40)
)
def test_the_longest_run_is_the_longest_common_one(text: list[str], training: list[str]) -> None:
    index = NgramIndex([" ".join(text)], 4)
    index.read([("here", training[:7]), ("there", training[7:])])
    joined = " ".join(training)
    runs = [
        " ".join(text[start:end])
        for start in range(len(text))
        for end in range(start + 4, len(text) + 1)
        if " ".join(text[start:end]) in joined
    ]
    found = index.shared(0)
    assert found is not None
    assert found.longest == max((len(run.split()) for run in runs), default=0)


def test_a_run_is_scored_on_flagged_and_on_clean_problems() -> None:
    seen, unseen = SharedRuns(1.0, 20, "x:1"), SharedRuns(0.0, 0, None)
    of = [Overlap(problem=f"p{n}", question=seen if n < 20 else unseen, solution=None) for n in range(60)]
    rows = [SampleRow(problem=f"p{n}", correct=n < 18 or 20 <= n < 40) for n in range(50)]
    told = gain(of, rows)
    assert told.flagged is not None
    assert told.clean is not None
    assert told.difference is not None
    assert (told.flagged.estimate, told.clean.estimate) == (0.9, pytest.approx(20 / 30))
    assert told.difference.low < 0.9 - 20 / 30 < told.difference.high
    assert gain(of[:20], rows).difference is None


def test_what_isnt_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"a": "b"}\n{"a":\n')
    with pytest.raises(BadRequest, match=r"train.jsonl:2"):
        found(tmp_path / "train.jsonl", problem("a", QUESTION))
    with pytest.raises(BadRequest, match="No such file"):
        found(tmp_path / "none.txt", problem("a", QUESTION))


def test_gsm8k_is_apart_from_its_training_set_and_found_in_itself() -> None:
    path = shared("evals/gsm8k_test.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()[:300]]
    problems = [problem(row["id"], row["question"], row["solution"]) for row in rows]
    assert all(one.question and one.question.share == 1 for one in overlaps(problems, [path]))
    train = overlaps(problems, [shared("evals/gsm8k_train.jsonl")])
    assert sum(one.flagged for one in train) <= 6
