"""Suites of the tiny reasoner's kinds of task: generated from a seed, with texts that don't occur in its training.

`tiny` is a mix of all kinds, `tiny/KIND` one of them.
"""

from itertools import chain

from perpend.data.tasks import TaskProblem as Task
from perpend.data.tasks import fresh, kinds
from perpend.errors import NotFound
from perpend.evals.problems import Problem
from perpend.registry import choices_hint
from perpend.types import Message, VerifierSpec

USUAL = 140
"""The default number of problems."""


def names(name: str) -> bool:
    """Whether `name` is one of these suites."""
    return name.startswith("tiny/") or name == "tiny"


def problems(name: str, count: int, seed: int) -> list[Problem]:
    """`count` problems, kinds and levels in turn; the same seed gives the same ones. Raises NotFound for an unknown
    kind.
    """
    kind = name.removeprefix("tiny").removeprefix("/")
    chosen_kinds = [kind] if kind else kinds.names()
    if kind and kind not in kinds.names():
        raise NotFound(f"{kind!r} is no kind of task", hint=choices_hint(kind, kinds.names()), field="SUITE")
    columns = [fresh(seed, name, -(-count // len(chosen_kinds))) for name in chosen_kinds]
    return [_problem(task) for task in chain.from_iterable(zip(*columns, strict=True))][:count]


def _problem(task: Task) -> Problem:
    return Problem(
        id=task.text,
        messages=(Message("user", task.text),),
        verifier=VerifierSpec("exact", task.gold),
        category=task.kind,
    )
