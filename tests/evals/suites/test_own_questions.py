"""Suites of one's own, in JSON lines or CSV."""

import json
from pathlib import Path

import pytest

from perpend.errors import BadRequest
from perpend.evals.audits.trial import trial
from perpend.evals.suites.own_questions import EXAMPLES, problems, template
from perpend.types import Image, Text, Tool, VerifierSpec


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
async def test_the_template_is_a_sound_suite(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"mine.{kind}"
    template(file)
    found = problems(file)
    assert [(p.messages[0].text, p.gold) for p in found] == [(row.question, row.gold) for row in EXAMPLES]
    assert [p.id for p in found] == ["1", "2", "3", "4"]
    assert (found[3].category, found[3].date, found[0].category) == ("formats", "2024-05-03", None)
    assert (await trial(found)).sound


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    template(file)
    with pytest.raises(BadRequest, match="is there already"):
        template(file)
    with pytest.raises(BadRequest, match=r"neither \.jsonl nor \.csv"):
        template(tmp_path / "mine.txt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"question": "?"}', "row 1: .*`gold`"),
        ('{"question": "?", "gold": ""}', "row 1: .*`gold`"),
        ('{"question": "?", "gold": 3}', r"row 1: .*gold"),
        ('{"question": "?", "gold": "3", "verifer": "math"}', "row 1: .*verifer"),
        ('{"question": "?", "answer": "3", "gold": "3"}', "`gold` says what `gold` says already"),
        ('{"gold": "3"}', "row 1: it has to have `question`"),
        ('{"question": "?", "verifier": {"rubric": "."}}', "row 1: verifier has no name"),
        ('{"question": "?", "gold": "3", "tools": [{"x": 1}]}', "row 1: tools: .*name"),
        ('{"question": "?", "gold": "3", "images": ["none.png"]}', r"row 1: .*none\.png: No such file"),
        ('{"question": "?", "gold": "3", "images": ["\\u0000"]}', "row 1: .*null"),
        (r'{"question": "\ud800", "gold": "3"}', "row 1: .*surrogates"),
        ('{"question": "?", "gold": "3", "tools": "' + "[" * 5000 + '"}', "row 1: .*tools"),
        *((row, "jsonl:1: it isn't an object") for row in ("3", "null", "[1]", '"a"')),
        ("[" * 100_000 + "]" * 100_000, "jsonl:1: .*recursion"),
        ('{"question": ' + "[" * 100_000, "jsonl:1: .*recursion"),
        ("", "holds no problems"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(text)
    with pytest.raises(BadRequest, match=said):
        problems(file)


ONE = '{"question": "?", "gold": "3"'


@pytest.mark.parametrize(
    ("kind", "text", "lines", "id_"),
    [
        ("jsonl", f'{ONE}, "id": "a"}}\n\n{ONE}, "id": "b"}}\n{ONE}, "id": "a"}}', "1 and 4", "a"),
        ("jsonl", f'{ONE}, "id": "2"}}\n{ONE}}}', "1 and 2", "2"),
        ("csv", 'id,question,gold\na,"?\n?",3\nb,?,3\na,?,3\n', "2 and 5", "a"),
        ("csv", 'id,question,gold\na,?,3\n\nb,?,3\nb,"?\n\n?",3\n', "4 and 5", "b"),
    ],
)
def test_two_rows_of_one_id_are_named(tmp_path: Path, kind: str, text: str, lines: str, id_: str) -> None:
    file = tmp_path / f"mine.{kind}"
    file.write_text(text)
    with pytest.raises(BadRequest, match=f"lines {lines} have the same id, '{id_}'"):
        problems(file)


def test_a_row_of_csv_has_as_many_cells_as_there_are_columns(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("question,gold\n?,1\n?,1,2\n")
    with pytest.raises(BadRequest, match="line 3 has more cells"):
        problems(file)


@pytest.mark.parametrize(
    ("asked", "right"), [("question", "answer"), ("input", "target"), ("prompt", "expected")]
)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_columns_have_the_names_of_peoples_files(tmp_path: Path, kind: str, asked: str, right: str) -> None:
    file = tmp_path / f"mine.{kind}"
    rows = {"jsonl": f'{{"{asked}": "1+1?", "{right}": "2"}}', "csv": f"{asked},{right}\n1+1?,2"}
    file.write_text(rows[kind])
    (found,) = problems(file)
    assert (found.messages[0].text, found.gold) == ("1+1?", "2")


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_row_has_its_own_judge(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"mine.{kind}"
    judge = {"name": "judge", "rubric": "It is polite."}
    if kind == "csv":
        quoted = json.dumps(judge).replace('"', '""')
        file.write_text(f'question,verifier\nWho are you?,"{quoted}"')
    else:
        file.write_text(json.dumps({"question": "Who are you?", "verifier": judge}))
    (found,) = problems(file)
    assert found.verifier == VerifierSpec("judge", None, {"rubric": "It is polite."})


def test_a_conversation_an_image_and_tools(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(b"dot")
    function = {"name": "add", "parameters": {"type": "object"}}
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]
    rows = (
        {"system": "Be short.", "messages": [*turns, {"role": "user", "content": "And 2?"}], "gold": "4"},
        {"question": "What is it?", "images": ["dot.png", "https://example.com/a.png"], "gold": "a dot"},
        {"question": "1+1?", "tools": [{"type": "function", "function": function}], "gold": "2"},
    )
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    talk, seen, tooled = problems(file)
    assert [message.role for message in talk.messages] == ["system", "user", "assistant", "user"]
    (asked,) = seen.messages
    assert asked.content == (
        Image("data:image/png;base64,ZG90"),
        Image("https://example.com/a.png"),
        Text("What is it?"),
    )
    assert tooled.tools == (Tool(name="add", parameters={"type": "object"}),)
