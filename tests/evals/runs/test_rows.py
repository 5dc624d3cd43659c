"""Rows of samples from anywhere."""

from pathlib import Path

import pytest

from perpend.errors import BadRequest
from perpend.evals.runs.rows import accuracies, by_problem, read_rows


def test_rows_are_read_by_problem(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(
        '{"problem": 7, "answer": "12 ", "correct": true, "thinking_tokens": 3, "cost_usd": 0, "more": [1]}\n'
        '\n{"problem": "7", "answer": 12, "correct": 0}\n{"problem": "b", "correct": 1, "answer": ""}\n'
    )
    rows = read_rows(file)
    assert [row.answer_text for row in rows] == ["12", "12", None]
    groups = by_problem(rows)
    assert {problem: len(of) for problem, of in groups.items()} == {"7": 2, "b": 1}
    assert accuracies(groups) == {"7": 0.5, "b": 1.0}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "truncated"),
        ('{"problem": "a"}', "`correct`"),
        ('{"problem": "a", "correct": "yes"}', "$.correct"),
        ('{"problem": "a", "correct": 2}', "$.correct"),
        ('{"problem": "a", "correct": true, "thinking_tokens": -1}', "$.thinking_tokens"),
        ('{"problem": "a", "correct": true, "cost_usd": "free"}', "$.cost_usd"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f'{{"problem": "a", "correct": true}}\n{line}\n')
    with pytest.raises(BadRequest) as raised:
        read_rows(file)
    assert f"{file}:2: " in raised.value.message
    assert said in raised.value.message


def test_a_file_without_rows_or_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="No such file"):
        read_rows(tmp_path / "nowhere")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(BadRequest, match="holds no rows"):
        read_rows(tmp_path / "empty")


def test_a_mark_before_the_first_row_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"problem": "p", "correct": true}\n')
    assert [row.problem for row in read_rows(file)] == ["p"]
