"""Suites of the tiny reasoner's own kinds of task: made afresh from a seed, of texts that its training never shows.

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
"""Problems, where nobody says how many."""


def names(name: str) -> bool:
    """Whether it's one of these suites."""
    return name.startswith("tiny/") or name == "tiny"


def problems(name: str, count: int, seed: int) -> list[Problem]:
    """Kinds in turn, levels in turn; the same ones for the same seed. Raises NotFound."""
    kind = name.removeprefix("tiny").removeprefix("/")
    of = [kind] if kind else kinds.names()
    if kind and kind not in kinds.names():
        raise NotFound(f"{kind!r} is no kind of task", hint=choices_hint(kind, kinds.names()), field="SUITE")
    drawn = [fresh(seed, one, -(-count // len(of))) for one in of]
    return [_problem(task) for task in chain.from_iterable(zip(*drawn, strict=True))][:count]


def _problem(task: Task) -> Problem:
    return Problem(
        id=task.text,
        messages=(Message("user", task.text),),
        verifier=VerifierSpec("exact", task.gold),
        category=task.kind,
    )
