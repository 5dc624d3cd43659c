"""Answers after public reports, each with what is right."""

from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from msgspec import Struct

from perpend.types import Candidate, VerifierSpec
from perpend.verifiers import Task, Verifier, make_verifier
from perpend.verifiers.math import Math

FIELD = Path(__file__).parents[1] / "fixtures" / "field"
KINDS = {
    "02-unicode-minus-sign-lost": ("math", "answer"),
    "21-box-taken-back": ("math", "answer"),
    "22-choice-negation-and-lower-case": ("choice",),
    "23-math-unicode-and-notation": ("math",),
}


class Row(Struct):
    gold: str
    pred: str
    want: bool = True


CASES = [
    (kind, msgspec.json.decode(line, type=Row))
    for folder, kinds in KINDS.items()
    for kind in kinds
    for line in (FIELD / folder / "rows.jsonl").read_bytes().splitlines()
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def math() -> AsyncGenerator[Math, None]:
    verifier = Math(workers=1, timeout_s=30)
    yield verifier
    await verifier.aclose()


@pytest.mark.parametrize(("kind", "row"), CASES, ids=lambda case: str(case)[:60])
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_right(math: Math, kind: str, row: Row) -> None:
    verifier: Verifier = math if kind == "math" else make_verifier(VerifierSpec(kind))
    verdict = await verifier.verify(Task(gold=row.gold), Candidate(answer=row.pred))
    assert verdict.passed is row.want
