"""Problems to compare strategies on: what is asked, how it's graded, and what a strategy may check by itself."""

import random
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from perpend.data.tasks import fresh, kinds
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


def mbpp(n: int, seed: int) -> list[Problem]:
    """MBPP+: a strategy may run the one assertion that the question shows; its others, and EvalPlus' inputs, grade."""

    def grader(row: dict[str, Any]) -> Callable[[str], Awaitable[bool]]:
        name = row["entry_point"]
        gold = {
            "setup": f"{row['answer']}\n_reference = {name}\n",
            "test": f"{row['assertion']}\n{_HIDDEN.format(inputs=row['plus_input'][:_INPUTS], name=name)}",
            "entry_point": name,
        }

        async def grade(answer: str) -> bool:
            task = Task(gold=msgspec.json.encode(gold).decode())
            return (await _code().verify(task, Candidate(answer=answer))).passed

        return grade

    problems: list[Problem] = []
    for row in _rows("mbpp_plus", n, seed):
        text = row["question"].strip().strip('"').strip()
        shown = [line for line in text.splitlines() if line.startswith("assert ")]
        problems.append(
            Problem(
                row["id"],
                f"{text}\nReply with the function in a Python code block, without tests.",
                grader(row),
                shown={"name": "code", "gold": "\n".join(shown)},
            )
        )
    return problems


_INPUTS = 25
_HIDDEN = """
import copy
for case in {inputs!r}:
    try:
        expected = _reference(*copy.deepcopy(case))
    except Exception:
        continue
    assert {name}(*copy.deepcopy(case)) == expected
"""


@cache
def _code() -> Verifier:
    return verifiers.get("code")()


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
