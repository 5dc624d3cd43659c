"""The game of 24 and its like: the given numbers, each once, and the target."""

import pytest

from perpend.errors import BadRequest
from perpend.types import Candidate
from perpend.verifiers import Task, verifiers

GOLD = '{"numbers": [4, 5, 6, 10], "target": 24}'


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("(10 - 4) * 5 - 6", ""),
        ("Steps: 10 - 4 = 6.\nAnswer: (10 - 4) * 5 - 6 = 24", ""),
        (r"So \boxed{(10 - 4) \times 5 - 6}", ""),
        ("(10 − 4) × 5 − 6", ""),
        ("10 * 4 - 6 - 5 * 2", "uses"),
        ("4 * 6", "uses"),
        ("4 + 5 + 6 + 10", "is 25, not 24"),
        ("4 / (5 - 5) + 6 + 10", "can't be computed"),
        ("4 5 6 10", "can't be computed"),
        ("4 ** 5 - 6 - 10", "no expression"),
        ("-4 + 5 + 6 + 10", "is 17, not 24"),
        ("there is no way", "no expression"),
        ("__import__('os').system('x')", "no expression"),
        ("(" * 300 + "1" + ")" * 300, "can't be computed"),
    ],
)
async def test_expressions(answer: str, said: str) -> None:
    verdict = await verifiers.get("countdown")().verify(Task(gold=GOLD), Candidate(answer=answer))
    assert verdict.passed is not bool(said), verdict
    assert said in verdict.feedback


async def test_fractions_are_exact() -> None:
    """8 / (3 - 8 / 3) is 24; in floats it's a bit more."""
    task = Task(gold='{"numbers": [3, 3, 8, 8], "target": 24}')
    assert (await verifiers.get("countdown")().verify(task, Candidate(answer="8 / (3 - 8 / 3)"))).passed


@pytest.mark.parametrize("gold", ["24", "\ud800", "", "[" * 5000])
async def test_a_gold_that_is_none(gold: str) -> None:
    with pytest.raises(BadRequest, match="goal"):
        await verifiers.get("countdown")().verify(Task(gold=gold), Candidate(answer="24"))
