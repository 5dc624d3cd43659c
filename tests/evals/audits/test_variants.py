"""Variants: other numbers, the same calculations, an answer that is known."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared

from perpend.errors import BadRequest
from perpend.evals.audits.variants import chain, variant
from perpend.evals.problems import Problem
from perpend.evals.suites.catalogue import load
from perpend.types import Message, VerifierSpec

CLIPS = "Natalia sold 48 clips to her friends, and Tom sold 16 more than half as many. How many did he sell?"
WORKED = "Half of 48 is 48/2 = <<48/2=24>>24.\nTom sold 24+16 = <<24+16=40>>40 clips.\n#### 40"


def problem(question: str = CLIPS, solution: str | None = WORKED, gold: str = "40") -> Problem:
    message = Message("user", question)
    return Problem(id="p", messages=(message,), verifier=VerifierSpec("math", gold), solution=solution)


def said(question: str, *calculations: str) -> Problem:
    """A problem that is worked by these calculations; the last one's result is its gold."""
    solution = " ".join(f"<<{one}>>" for one in calculations)
    return problem(question, solution, calculations[-1].rpartition("=")[2])


@given(st.integers(1, 10**6))
def test_the_answer_comes_from_the_new_numbers(seed: int) -> None:
    other = variant(problem(), seed)
    assert other is not None
    clips, more = map(int, re.findall(r"\d+", other.messages[0].text))
    assert int(other.gold or "") == clips // 2 + more != 40
    assert clips % 2 == 0
    assert 24 <= clips <= 96
    assert clips > more
    assert (other.id, other.solution) == ("p", None)


def test_a_seed_gives_the_same_variant_and_another_one_another() -> None:
    assert variant(problem(), 1) == variant(problem(), 1)
    assert variant(problem(), 1) != variant(problem(), 2)
    assert variant(problem(), 0) == problem()


def test_names_change_within_their_group() -> None:
    other = variant(problem(), 1)
    assert other is not None
    text = other.messages[0].text
    assert "Natalia" not in text
    assert not re.search(r"\bTom\b", text)
    assert "her friends" in text


def test_commas_and_roundness_stay() -> None:
    other = variant(
        said("A house for $80,000 and repairs for $50,000: what is it in all?", "80000+50000=130000"), 1
    )
    assert other is not None
    prices = re.findall(r"\$([\d,]+)", other.messages[0].text)
    assert all(re.fullmatch(r"\d{1,3},000", price) for price in prices), prices


@given(st.integers(1, 10**6))
def test_what_was_more_than_a_result_still_is(seed: int) -> None:
    """Dogs for all, and for half of them a second one: with more than all of them there, it's another question."""
    dogs = said(
        "Hot dogs for 36 guests, and a half of them twice; 40 came.", "36/2=18", "36+18=54", "54-40=14"
    )
    other = variant(dogs, seed)
    assert other is not None
    guests, came = map(int, re.findall(r"\d+", other.messages[0].text))
    assert int(other.gold or "") < guests // 2 < guests < came < guests + guests // 2


@pytest.mark.parametrize(
    ("question", "calculations"),
    [
        ("He has 9 boxes and eats 20 eggs.", ("9*7=63", "63-20=43")),  # 7 comes from nowhere
        ("She buys 30 cards at 15 cents and sells 30.", ("15+15=30", "30*15=450")),  # which 30?
        ("She buys 9 cards for 20 each and loses 0.5.", ("9*20=180", "180/7=25.7")),  # not whole
        ("She has 9 cards and 20 more.", ("9+20=30",)),  # wrong
        ("She has 2 cards and 3 more.", ("2+3=5",)),  # too small to be sure of
    ],
)
def test_what_isnt_sure_isnt_varied(question: str, calculations: tuple[str, ...]) -> None:
    assert chain(said(question, *calculations)) is None


def test_a_solution_that_ends_elsewhere_isnt_varied() -> None:
    assert chain(problem(gold="41")) is None
    assert chain(problem(solution=None)) is None


@pytest.mark.parametrize(
    ("question", "calculations", "free"),
    [
        ("For 7 weeks she saves 8 a day.", ("7*8=56", "56*7=392"), [8]),  # one 7 may be a week's days
        ("20 % of 50 cards and 30 more.", ("50*20/100=10", "30+10=40"), [30, 50]),
        ("At 7:30 he had 12 cards, since 1990 8 more.", ("12+8=20",), [8, 12]),
        ("A dozen boxes, 12 bags and 9 cans.", ("12+12=24", "24+9=33"), [9]),
        ("The 120-page book, 18 pages a sitting, has 90 pictures.", ("120+18=138",), [18, 120]),
        ("Twenty-five boys and 25 girls, and 40 others.", ("25+25=50", "50+40=90"), [40]),
    ],
)
def test_only_whole_numbers_that_are_surely_meant_are_free(
    question: str, calculations: tuple[str, ...], free: list[int]
) -> None:
    found = chain(said(question, *calculations))
    assert found is not None
    assert found.free == free


def test_real_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERPEND_DATA", str(shared("evals")))
    whole = load("gsm8k~0", tmp_path)
    assert 500 < len(whole) < 700
    for one in whole:
        found = chain(one)
        assert found is not None
        amounts = found.amounts({number: number for number in found.free})
        assert amounts is not None
        assert str(amounts[-1]) == one.gold
    drawn, varied = load("gsm8k~0", tmp_path, limit=50), load("gsm8k~1", tmp_path, limit=50)
    assert {one.id for one in varied} <= {one.id for one in drawn}
    assert len(varied) >= 40
    assert all(one.gold != other.gold for one in drawn for other in varied if one.id == other.id)


def test_a_suite_without_worked_solutions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERPEND_DATA", str(shared("evals")))
    with pytest.raises(BadRequest, match="can be varied"):
        load("aime2024~1", tmp_path)
