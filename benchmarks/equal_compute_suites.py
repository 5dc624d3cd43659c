"""Problems to compare strategies on: what is asked, how it's graded, and what a strategy may check by itself."""

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from perpend.data.tasks import fresh, kinds
from perpend.evals.suites import catalogue
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


def _graded(verifier: str, gold: str) -> Callable[[str], Awaitable[bool]]:
    async def grade(answer: str) -> bool:
        return (await _verifier(verifier).verify(Task(gold=gold), Candidate(answer=answer))).passed

    return grade


@cache
def _verifier(name: str) -> Verifier:
    return verifiers.get(name)()


def _loaded(name: str, n: int, seed: int) -> list[catalogue.Problem]:
    os.environ.setdefault("PERPEND_DATA", str(EVALS))
    return catalogue.load(name, EVALS, limit=n, seed=seed)


def _of_suite(name: str) -> Callable[[int, int], list[Problem]]:
    """A suite of `perpend eval`, asked and graded as there."""

    def load(n: int, seed: int) -> list[Problem]:
        return [_problem(given) for given in _loaded(name, n, seed)]

    return load


def _problem(given: catalogue.Problem, shown: dict[str, Any] | None = None) -> Problem:
    assert given.verifier is not None
    assert given.verifier.gold is not None
    return Problem(given.id, given.messages[0].text, _graded(given.verifier.name, given.verifier.gold), shown)


def mbpp(n: int, seed: int) -> list[Problem]:
    """MBPP+: a strategy may run the one assertion that the question shows; its others, and EvalPlus' inputs, grade."""

    def problem(given: catalogue.Problem) -> Problem:
        lines = [line.strip() for line in given.messages[0].text.splitlines()]
        shown = "\n".join(line for line in lines if line.startswith("assert "))
        return _problem(given, {"name": "code", "gold": shown})

    return [problem(given) for given in _loaded("mbpp_plus", n, seed)]


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
    "gsm8k": Suite("GSM8K test", _of_suite("gsm8k")),
    "math500": Suite("MATH-500", _of_suite("math500")),
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
