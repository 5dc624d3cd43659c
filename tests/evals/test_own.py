"""Suites of one's own, in JSON lines or CSV."""

from pathlib import Path

import pytest

from perpend.errors import BadRequest
from perpend.evals.own import EXAMPLES, problems, template
from perpend.evals.trial import trial


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
        ('{"question": "?", "gold": "3", "verifier": "maths"}', "unknown verifier 'maths'"),
        ("", "holds no problems"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(text)
    with pytest.raises(BadRequest, match=said):
        problems(file)
