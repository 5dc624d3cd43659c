"""Problems to compare strategies on: what is asked, how it's graded, and what a strategy may check by itself."""

import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from perpend.data.tasks import fresh, kinds
from perpend.types import Candidate
from perpend.verifiers import Task, verifiers

EVALS = Path(__file__).parents[2] / "shared" / "data" / "evals"
Spec = Mapping[str, dict[str, object]]


class Problem(NamedTuple):
    id: str
    prompt: str
    grade: Callable[[str], Awaitable[bool]]
    shown: dict[str, Any] | None = None
    """A verifier that a strategy may use, with what it needs: never what grades."""
    checked: Spec = MappingProxyType({})
    """Strategies by label that only make sense where answers can be checked."""


class Suite(NamedTuple):
    title: str
    load: Callable[[int, int], list[Problem]]
    """So many problems, drawn by a seed."""
    checked: Spec = MappingProxyType({})


def _rows(name: str, n: int, seed: int) -> list[dict[str, Any]]:
    lines = (EVALS / f"{name}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in random.Random(seed).sample(lines, n)]


def _math(gold: str) -> Callable[[str], Awaitable[bool]]:
    async def grade(answer: str) -> bool:
        return (await _GRADER.verify(Task(gold=gold), Candidate(answer=answer))).passed

    return grade


_GRADER = verifiers.get("math")()


def gsm8k(n: int, seed: int) -> list[Problem]:
    return [
        Problem(
            str(row["id"]),
            f"{row['question']}\nReply with the final number only.",
            _math(str(row["answer"])),
        )
        for row in _rows("gsm8k_test", n, seed)
    ]


def math500(n: int, seed: int) -> list[Problem]:
    return [
        Problem(
            str(row["id"]),
            f"{row['question']}\nReply with the final answer in \\boxed{{}} only.",
            _math(str(row["answer"])),
        )
        for row in _rows("math500", n, seed)
    ]


def tiny(n: int, seed: int) -> list[Problem]:
    """`n` of each kind that the tiny reasoner was trained for, with texts that it never saw."""

    def grader(problem: Any) -> Callable[[str], Awaitable[bool]]:
        async def grade(answer: str) -> bool:
            return problem.solved_by(answer)

        return grade

    return [
        Problem(problem.text, problem.text, grader(problem))
        for kind in kinds.names()
        for problem in fresh(seed, kind, n)
    ]


suites = {
    "gsm8k": Suite("GSM8K test", gsm8k),
    "math500": Suite("MATH-500", math500),
    "tiny": Suite("The tiny reasoner's seven kinds of task", tiny),
}
