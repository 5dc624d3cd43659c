"""What a kind of task is: problems with a difficulty dial, the work that solves them, an exact verifier.

A problem is its text and nothing else: work and verifier read what they need out of it, so a row of a file, a
prompt in a log and a request can all be checked. Splits go by content: a text is for training or for testing for
ever, whoever draws it.
"""

import hashlib
import random
from collections.abc import Callable
from typing import Literal, NamedTuple

from perpend.data.error_injection import NO_ERRORS, ErrorInjector
from perpend.registry import Registry

Split = Literal["train", "test"]
_TEST_SHARE = 8
"""One text in so many is for testing."""


class Work(NamedTuple):
    """A worked solution: its lines in order, and the answer that they lead to."""

    lines: list[str]
    answer: str


class Kind(NamedTuple):
    make: Callable[[random.Random, int], str]
    """A problem's text, of a given difficulty."""
    work: Callable[[str, ErrorInjector], Work]
    """How to solve a text, with the errors that are injected into its steps."""
    taught: range
    """Difficulties that the cold start shows worked."""
    levels: range
    """Difficulties that exist; the ones above `taught` have to be found by trying."""
    accepts: Callable[[str, str], bool] | None = None
    """Whether an answer solves a text, where several may; default: it equals the answer of the work without errors."""


kinds: Registry[Kind] = Registry("task")


class TaskProblem(NamedTuple):
    kind: str
    difficulty: int
    text: str

    @property
    def gold(self) -> str:
        return kinds.get(self.kind).work(self.text, NO_ERRORS).answer

    def solved_by(self, answer: str) -> bool:
        """The verifier. Whitespace around the answer doesn't count; everything else does."""
        accepts = kinds.get(self.kind).accepts
        answer = answer.strip()
        return accepts(self.text, answer) if accepts else answer == self.gold


def split_of(text: str) -> Split:
    return "test" if hashlib.sha256(text.encode()).digest()[0] % _TEST_SHARE == 0 else "train"


def draw(rng: random.Random, kind: str, difficulty: int, split: Split) -> TaskProblem:
    """A problem of the split: texts of the other one are passed over."""
    while True:
        text = kinds.get(kind).make(rng, difficulty)
        if split_of(text) == split:
            return TaskProblem(kind, difficulty, text)


def fresh(seed: int, kind: str, n: int, split: Split = "test") -> list[TaskProblem]:
    """`n` different problems over all levels in turn; the same ones for the same seed."""
    rng = random.Random(f"{seed} {kind} {split}")
    levels = kinds.get(kind).levels
    found: dict[str, TaskProblem] = {}
    drawn = 0
    while len(found) < n:
        problem = draw(rng, kind, levels[drawn % len(levels)], split)
        found.setdefault(problem.text, problem)
        drawn += 1
    return list(found.values())
