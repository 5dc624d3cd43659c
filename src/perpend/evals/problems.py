"""Problems, of which a suite consists."""

import hashlib
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from perpend.types import Message, Tool, VerifierSpec


class Problem(Struct, frozen=True, kw_only=True):
    """One question. Its gold is in the verifier's spec alone, so requests made from it carry none."""

    id: str
    messages: tuple[Message, ...]
    verifier: VerifierSpec | None
    """None where answers are graded elsewhere."""
    tools: tuple[Tool, ...] = ()
    date: str | None = None
    """Date of publication: YYYY, YYYY-MM or YYYY-MM-DD."""
    category: str | None = None
    solution: str | None = None
    """A worked solution, or a right answer where the gold isn't one (such as tests). No model sees it."""

    @property
    def gold(self) -> str | None:
        return self.verifier.gold if self.verifier else None


def asked_otherwise(
    problem: Problem, *, system: str | None = None, verifier: VerifierSpec | None = None
) -> Problem:
    """The problem with another system message, and another verifier against the same gold."""
    if system is not None:
        rest = tuple(message for message in problem.messages if message.role != "system")
        problem = replace(problem, messages=(Message("system", system), *rest))
    if verifier is not None:
        gold = problem.gold if verifier.gold is None else verifier.gold
        problem = replace(problem, verifier=replace(verifier, gold=gold))
    return problem


def fingerprint(problems: Sequence[Problem]) -> str:
    """A digest of the problems' texts and golds in order; it differs where a suite changed."""
    digest = hashlib.sha256()
    for problem in problems:
        fields = (problem.id, problem.messages, problem.verifier)
        digest.update(repr((*fields, problem.tools) if problem.tools else fields).encode())
    return digest.hexdigest()[:16]
