"""Problems to compare strategies on: what is asked, how it's graded, and what a strategy may check by itself."""

import os
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from perpend.data.tasks import fresh, kinds
from perpend.evals import suites as evals
from perpend.types import Candidate
from perpend.verifiers import Task, Verifier, verifiers

EVALS = Path(__file__).parents[2] / "shared" / "data" / "evals"
Spec = Mapping[str, dict[str, object]]


class Problem(NamedTuple):
    id: str
    prompt: str
    grade: Callable[[str], Awaitable[bool]]
    shown: dict[str, Any] | None = None
    """A verifier that a strategy may use, with what it needs: never what grades."""


class Suite(NamedTuple):
    title: str
    load: Callable[[int, int], list[Problem]]
    """So many problems, drawn by a seed."""
    checked: Spec = MappingProxyType({})
    """Strategies by label, for problems whose answers can be checked without knowing them."""


def _rows(name: str, n: int, seed: int) -> list[dict[str, Any]]:
    lines = (EVALS / f"{name}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in random.Random(seed).sample(lines, n)]


def _graded(verifier: str, gold: str) -> Callable[[str], Awaitable[bool]]:
    async def grade(answer: str) -> bool:
        return (await _verifier(verifier).verify(Task(gold=gold), Candidate(answer=answer))).passed

    return grade


@cache
def _verifier(name: str) -> Verifier:
    return verifiers.get(name)()


def gsm8k(n: int, seed: int) -> list[Problem]:
    return [
        Problem(
            str(row["id"]),
            f"{row['question']}\nReply with the final number only.",
            _graded("math", str(row["answer"])),
        )
        for row in _rows("gsm8k_test", n, seed)
    ]


def math500(n: int, seed: int) -> list[Problem]:
    return [
        Problem(
            str(row["id"]),
            f"{row['question']}\nReply with the final answer in \\boxed{{}} only.",
            _graded("math", str(row["answer"])),
        )
        for row in _rows("math500", n, seed)
    ]


def mbpp(n: int, seed: int) -> list[Problem]:
    """MBPP+: a strategy may run the one assertion that the question shows; its others, and EvalPlus' inputs, grade."""

    def problem(given: evals.Problem) -> Problem:
        asked = given.messages[0].text
        shown = [line.strip() for line in asked.splitlines() if line.startswith("assert ")]
        assert given.verifier is not None
        assert given.verifier.gold is not None
        return Problem(
            given.id,
            asked,
            _graded("code", given.verifier.gold),
            shown={"name": "code", "gold": "\n".join(shown)},
        )

    os.environ.setdefault("PERPEND_DATA", str(EVALS))
    return [problem(given) for given in evals.load("mbpp_plus", EVALS, limit=n, seed=seed)]


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
    "mbpp": Suite(
        "MBPP+",
        mbpp,
        {
            "refine, shown test": {"name": "refine", "rounds": 4, "first": 0.4},
            "best_of_n 4, shown test": {"name": "best_of_n", "n": 4},
        },
    ),
    "tiny": Suite("The tiny reasoner's seven kinds of task", tiny),
}
