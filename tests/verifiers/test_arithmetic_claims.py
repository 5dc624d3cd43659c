"""Sums that a text claims are found, and computed again; what is no claim about numbers is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.types import Candidate
from perpend.verifiers import Task
from perpend.verifiers.arithmetic_claims import ArithmeticClaims, claims


async def checked(answer: str, thinking: str = "") -> tuple[float, str]:
    verdict = await ArithmeticClaims().verify(Task(), Candidate(answer=answer, thinking=thinking))
    assert verdict.passed is (verdict.score == 1)
    return verdict.score, verdict.feedback


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("so 17 * 23 = 391, and", ["17 * 23 = 391"]),
        ("the sum is 2+2=5.", ["2+2 = 5"]),
        ("(3 + 4 = 7)", ["3 + 4 = 7"]),
        ("5 + 6 = 11 = 12 - 1", ["5 + 6 = 11", "11 = 12 - 1"]),
        ("f(2) = 2*3+1 = 7", ["2*3+1 = 7"]),
        ("- 3 + 4 = 7", ["3 + 4 = 7"]),
        ("1. 3 + 4 = 7\n2) 4 + 4 = 8", ["3 + 4 = 7", "4 + 4 = 8"]),
        ("3 + 4\n= 7", ["3 + 4 = 7"]),
        ("3 + 4 = **7**", ["3 + 4 = 7"]),
        (r"\(2^{10} = 1024\)", ["2^{10} = 1024"]),
        (r"\[ 3 + 4 &= 7 \\ &= 7 \]", ["3 + 4 = 7"]),
        ("48 + 24 = <<48+24=72>>72", ["48+24 = 72"]),
        ("12 - 5 = 7 cm", ["12 - 5 = 7"]),
        (r"10/3 \approx 3.33", ["10/3 ≈ 3.33"]),
    ],
)
def test_a_claim(text: str, found: list[str]) -> None:
    assert [claim.text for claim in claims(text)] == found


@pytest.mark.parametrize(
    "text",
    [
        "3x + 2 = 8",
        "x - 2 * 3 = 8",
        "2 + 3 = 6x",
        "2 + 3 = 6 x",
        "58_9 - 18_9 = 40_9",
        "4 * 4 = 2 (mod 7)",
        r"\binom{5}{2} = 10",
        "3 + 4 != 8",
        "3 + 4 >= 6",
        "is 3 + 4 = 8? No",
        "3 apples + 4 = 8",
        "63 / 5 = 12 remainder 3",
        r"63 / 5 = 12 \text{ R } 3",
        "(6 + 2, 108 + (-6)) = (-6, 102)",
        "3:30 + 2 = 5",
        "7 = 7",
    ],
)
def test_no_claim(text: str) -> None:
    assert list(claims(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "10/3 = 3.33",
        "2/3 = 0.66",
        "2/3 = 0.67",
        "2/3 = 66.7%",
        "1000000/7 ≈ 143000",
        "4.20 + 9.45 + 1.35 = 14.999999999999998",
        "0.25 * 100 = 25%",
        "1 + 2 = 3.0",
    ],
)
async def test_right_as_people_write_it(text: str) -> None:
    assert await checked(text) == (1.0, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("17 * 23 = 381", "17 * 23 is 391, not 381"),
        ("381 = 17 * 23", "17 * 23 is 391, not 381"),
        ("10/3 = 3.34", "10/3 is 10/3 (3.33333), not 3.34"),
        ("10/3 = 3", "10/3 is 10/3 (3.33333), not 3"),
        ("3/4 = 0.9", "3/4 is 0.75, not 0.9"),
        ("2^6000 = 5", "2^6000 is about 1.51347e+1806, not 5"),
        ("1/2^300 = 5", "1/2^300 is about 4.90909e-91, not 5"),
        ("2/3 ≈ 0.8", "2/3 is 2/3 (0.666667), not 0.8"),
    ],
)
async def test_what_is_wrong_is_told(text: str, said: str) -> None:
    assert await checked(text) == (0.0, said)


async def test_the_score_is_the_share_that_is_right() -> None:
    score, said = await checked("1+1=2, 2+2=5, 3+3=7, 4+4=9, 5+5=11", thinking="0+1=1")
    assert score == pytest.approx(2 / 6)
    assert said == "2+2 is 4, not 5; 3+3 is 6, not 7; 4+4 is 8, not 9; and 1 more"


async def test_thinking_may_correct_itself() -> None:
    assert await checked("391", thinking="17 * 23 = 381. Wait: 17*23 = 391") == (1.0, "")
    assert (await checked("381 = 17*23", thinking="17 * 23 = 391"))[0] == 0.0


async def test_what_is_too_large_to_compute_is_no_claim() -> None:
    assert await checked("9^9^9 = 1 and 99999999! = 2") == (1.0, "")


@given(a=st.integers(0, 10**9), b=st.integers(0, 10**9), off=st.integers(-3, 3))
async def test_a_sum_passes_where_it_is_right(a: int, b: int, off: int) -> None:
    assert ((await checked(f"Then {a:,} + {b:,} = {a + b + off:,}."))[0] == 1) is (off == 0)
