"""Expressions that would never end, or would eat all memory: each ends, and what comes after it is checked."""

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from perpend.types import Candidate, VerifierSpec
from perpend.verifiers import Task, make_verifier
from perpend.verifiers.math import Math

TIMEOUT_S = 1.0
DEEP = 3000
EXPRESSIONS = {
    "a tower of powers": "10^{10^{10}}",
    "a tower in Python": "9**9**9**9",
    "a power of a large number": "2^{99999999}",
    "a power of a bracket": "(2^{9999})^{9999}",
    "a giant factorial": "99999999!",
    "factorials of factorials": "((9!)!)!",
    "a million digits": "7" * 1_000_000,
    "a decimal of a million digits": "0." + "3" * 1_000_000,
    "a product of large powers": r"\times".join(["99999^{9999}"] * 50),
    "brackets in brackets": "(" * DEEP + "1" + ")" * DEEP,
    "fractions in fractions": r"\frac{1}{" * DEEP + "2" + "}" * DEEP,
    "an endless continued fraction": "1+" + r"\frac{1}{1+" * 400 + r"\dots" + "}" * 400,
    "roots in roots": r"\sqrt{" * DEEP + "2" + "}" * DEEP,
    "braces that are never closed": r"\boxed{" * DEEP,
    "braces that are never opened": "1" + "}" * DEEP,
    "a sum to a billion": r"\sum_{n=1}^{10^{9}} \frac{1}{n^2}",
    "a product of a million factors": r"\prod_{k=1}^{1000000} \left(1+\frac{1}{k^3}\right)",
    "polynomials to expand": "((x^2+1)^{50}-(y^3-1)^{60})^{20}",
    "an integral without a closed form": r"\int_0^{1} x^{x^{x}} e^{\sin(x^{5})} dx",
    "a matrix of powers": r"\begin{pmatrix}" + "&".join(["9^{9^{9}}"] * 200) + r"\end{pmatrix}",
    "combining marks": "1" + "\u0301" * 20_000,
    "digits of other scripts, directions and joiners": "\u202e\u0661\u0662\u200d\ufeff" * 5_000,
    "half a surrogate pair": "\ud800" * 1000,
    "null characters": "\x00" * 10_000,
    "spaces that a regular expression would try in every way": "1" + " " * 50_000 + "x",
    "signs without numbers": "-" * 50_000 + "1",
    "equations without end": "x=" * 20_000 + "1",
    "sums without end": "1/2 " * 50_000,
    "choices without end": "(A) " * 50_000,
}
AT_ONCE_S = 5.0
"""What holds the event loop is counted in the processor's time, of a busy machine too."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def math() -> AsyncGenerator[Math, None]:
    verifier = Math(workers=2, timeout_s=TIMEOUT_S)
    yield verifier
    await verifier.aclose()


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.asyncio(loop_scope="module")
async def test_it_ends_and_the_worker_recovers(math: Math, name: str) -> None:
    async with asyncio.timeout(120):  # several time-outs, and a worker's start on a busy machine
        verdicts = await asyncio.gather(
            math.verify(Task(gold="17"), Candidate(answer=EXPRESSIONS[name])),
            math.verify(Task(gold=EXPRESSIONS[name]), Candidate(answer="17")),
        )
        assert not any(verdict.passed for verdict in verdicts)
        assert (await math.verify(Task(gold="17"), Candidate(answer="17"))).passed


@pytest.mark.parametrize(
    ("kind", "gold"),
    [
        ("answer", "3"),
        ("choice", "B"),
        ("numbers", "3"),
        ("literal", "3"),
        ("countdown", '{"numbers": [1], "target": 1}'),
    ],
)
@pytest.mark.parametrize("name", EXPRESSIONS)
async def test_verifiers_without_workers_end_too(kind: str, gold: str, name: str) -> None:
    verifier = make_verifier(VerifierSpec(kind))
    text = f"{EXPRESSIONS[name]} = 5 + 5"
    began = time.process_time()
    await verifier.verify(Task(gold=gold), Candidate(answer=text, thinking=text))
    assert time.process_time() - began < AT_ONCE_S
