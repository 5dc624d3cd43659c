"""The catalogue holds together, suites are loaded by name, and no gold is ever in a prompt's template."""

import json
import string
from pathlib import Path

import pytest
from shared_data import shared

from perpend.errors import BadRequest, NotFound
from perpend.evals.audits.trial import trial
from perpend.evals.suites.adapters import ADAPTERS
from perpend.evals.suites.catalogue import catalogue, load, untemplated
from perpend.verifiers import verifiers
from perpend.verifiers.code import Code


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERPEND_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", catalogue())
class TestRow:
    def test_it_names_what_exists(self, name: str) -> None:
        suite = catalogue()[name]
        assert suite.verifier in {None, *verifiers.names()}
        assert {source.adapter for source in suite.sources} <= set(ADAPTERS)
        assert suite.verifier or suite.needs
        assert suite.instructions

    def test_what_is_fetched_has_a_digest(self, name: str) -> None:
        """Its own, or the hub's."""
        for source in catalogue()[name].sources:
            assert source.url is None or source.sha256 or source.url.startswith("hub:")
            assert len(source.addresses()) == len(source.parts or (1,)) * bool(source.url)


def test_templates_show_the_question_and_nothing_else() -> None:
    from perpend.evals.suites.catalogue import prompts

    for template in prompts().values():
        assert [field for _, field, _, _ in string.Formatter().parse(template) if field] == ["question"]


def rows(folder: Path, *dates: str | None) -> None:
    lines = [
        json.dumps(
            {"id": f"p{index}", "question": f"What is {index} + 1?", "answer": str(index + 1), "date": date}
        )
        for index, date in enumerate(dates)
    ]
    (folder / "gsm8k_test.jsonl").write_text("\n".join(lines))


def test_the_question_alone(mine: Path) -> None:
    rows(mine, None)
    (problem,) = load("gsm8k", mine)
    assert untemplated(problem.messages[0].text) == "What is 0 + 1?"
    assert untemplated("What is 0 + 1?") == "What is 0 + 1?"


def test_a_problem(mine: Path) -> None:
    rows(mine, None)
    (problem,) = load("gsm8k", mine)
    assert problem.id == "p0"
    assert problem.messages[0].text.startswith("What is 0 + 1?\n\nReason step by step")
    assert problem.verifier is not None
    assert (problem.verifier.name, problem.gold) == ("math", "1")
    assert problem.date == "2021-10"


def test_a_limit_is_drawn_by_its_seed_and_keeps_the_order(mine: Path) -> None:
    rows(mine, *[None] * 50)
    drawn = [problem.id for problem in load("gsm8k", mine, limit=10, seed=1)]
    assert drawn == sorted(drawn, key=lambda one: int(one[1:]))
    assert drawn == [problem.id for problem in load("gsm8k", mine, limit=10, seed=1)]
    assert drawn != [problem.id for problem in load("gsm8k", mine, limit=10, seed=2)]
    assert len(load("gsm8k", mine, limit=100)) == 50


def test_dates_count_only_where_they_are_surely_inside(mine: Path) -> None:
    rows(mine, "2024", "2024-06", "2024-06-15", "2025-01-01T00:00:00", "2024-08..2025-01")

    def chosen(**window: str) -> list[str]:
        return [problem.id for problem in load("gsm8k", mine, **window)]  # pyright: ignore[reportArgumentType]

    assert chosen(since="2024-06") == ["p1", "p2", "p3", "p4"]
    assert chosen(since="2024-06-15") == ["p2", "p3", "p4"]
    assert chosen(before="2024-07") == ["p1", "p2"]
    assert chosen(before="2025") == ["p0", "p1", "p2", "p4"]
    with pytest.raises(BadRequest, match="no date"):
        chosen(since="June")
    with pytest.raises(BadRequest, match="no problem from that time"):
        chosen(since="2030")


def test_a_suite_that_isnt_here_says_how_to_get_it(mine: Path) -> None:
    with pytest.raises(NotFound) as raised:
        load("aime2025", mine)
    assert raised.value.hint is not None
    assert "PERPEND_DATA" in raised.value.hint
    assert "perpend eval pull aime2025" in raised.value.hint
    with pytest.raises(NotFound) as raised:
        load("gpqa", mine)
    assert "ask for access" in str(raised.value)


def test_a_wrong_name(mine: Path) -> None:
    with pytest.raises(NotFound, match="no suite named 'gms8k'") as raised:
        load("gms8k", mine)
    assert "did you mean 'gsm8k'" in str(raised.value)


def test_a_file_of_another_form_is_named(mine: Path) -> None:
    (mine / "gsm8k_test.jsonl").write_text('{"text": "?"}\n')
    with pytest.raises(BadRequest, match=r"row 1 isn't one of gsm8k's"):
        load("gsm8k", mine)


SOUND = [
    *("gsm8k", "math500", "aime2024", "aime2025", "amc23", "olympiadbench", "minerva", "theoremqa"),
    *("mmlu_pro", "mmlu_stem", "bbh", "arc_agi_1", "arc_agi_2", "cruxeval", "game24"),
    *("humaneval", "humaneval_plus", "mbpp", "mbpp_plus", "livecodebench_samples"),
]


@pytest.mark.parametrize("name", SOUND)
async def test_a_real_suite_passes_its_own_golds_and_no_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A draw of each here; all of them by `perpend eval check SUITE`."""
    monkeypatch.setenv("PERPEND_DATA", str(shared("evals")))
    monkeypatch.setattr(Code.__init__, "__defaults__", (120.0, 512, 0.0))  # however busy this machine is
    assert len(load(name, tmp_path)) == catalogue()[name].n
    drawn = 2 if name.endswith("_plus") else 4  # each of those has hundreds of tests
    assert (await trial(load(name, tmp_path, limit=drawn, seed=1))).sound
