"""Values by what they are, wherever an answer puts them."""

import pytest

from perpend.errors import BadRequest
from perpend.types import Candidate
from perpend.verifiers import Task, verifiers
from perpend.verifiers.literal import literal_value

GRID = "[[1,2],[3,4]]"


@pytest.mark.parametrize(
    ("gold", "answer", "passed"),
    [
        (GRID, "[[1, 2],\n [3, 4]]", True),
        (GRID, "The rule is a turn.\n\n```json\n[[1, 2], [3, 4]]\n```\nThat is all.", True),
        (GRID, "First I had [[1, 2], [3, 5]], but it is [[1, 2],\n[3, 4]].", True),
        (GRID, "It was [[1, 2], [3, 4]], but it is [[1, 2], [3, 5]].", False),
        (GRID, "[[1, 2], [3, 4], [5, 6]]", False),
        ("'a b'", 'So it returns\n"a b"', True),
        ("'a b'", "So it returns\na b", False),
        ("{1: None}", "assert f(1) == {1: None}", True),
        ("[]", "The answer is: `[]`", True),
        ("(1, 'x')", "Output: (1, 'x')", True),
        ("3", "hard to say", False),
        ("[−1, 2]", "[-1, 2]", True),
        ("'\\d'", "'\\d'", True),
        (GRID, "(" * 100_000, False),
        (GRID, "[" * 1000 + "]" * 1000, False),
    ],
)
async def test_literals(gold: str, answer: str, passed: bool) -> None:
    verdict = await verifiers.get("literal")().verify(Task(gold=gold), Candidate(answer=answer))
    assert verdict.passed is passed
    assert bool(verdict.feedback) is not passed
    assert gold not in verdict.feedback


async def test_equal_values_are_one_vote() -> None:
    verifier = verifiers.get("literal")()
    assert await verifier.same("[1, 2]", "so\n```\n[1,2]\n```")
    assert not await verifier.same("[1, 2]", "[2, 1]")


async def test_a_gold_that_is_none() -> None:
    with pytest.raises(BadRequest, match="literal"):
        await verifiers.get("literal")().verify(Task(gold="f(x)"), Candidate(answer="1"))


def test_a_minus_sign_of_unicode_is_one() -> None:
    assert literal_value("The list is [−1, 2]") == [-1, 2]
    assert literal_value('["−1"]') == ["−1"]
