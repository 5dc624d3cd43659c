"""Exact, regex and choice."""

from contextlib import aclosing

import pytest

from perpend.errors import BadRequest
from perpend.types import Candidate
from perpend.verifiers import Task, verifiers


@pytest.mark.parametrize(
    ("kind", "gold", "answer", "passed"),
    [
        ("exact", "yes", " yes\n", True),
        ("exact", "yes", "Yes", False),
        ("regex", r"\d{3}", "123", True),
        ("regex", r"\d{3}", "1234", False),
        ("choice", "B", "Therefore the answer is (B).", True),
        ("choice", "B", "Therefore the answer is (C).", False),
        ("choice", "B", "hard to say", False),
    ],
)
async def test_texts(kind: str, gold: str, answer: str, passed: bool) -> None:
    async with aclosing(verifiers.get(kind)()) as verifier:
        verdict = await verifier.verify(Task(gold=gold), Candidate(answer=answer))
    assert verdict.passed is passed
    assert bool(verdict.feedback) is not passed


async def test_a_pattern_that_is_none() -> None:
    async with aclosing(verifiers.get("regex")()) as verifier:
        with pytest.raises(BadRequest, match="pattern"):
            await verifier.verify(Task(gold="("), Candidate(answer="x"))
