"""Grading answers after they came, by each problem's own verifier: the model never had the gold."""

from collections.abc import Callable

from perpend.errors import BadRequest
from perpend.evals.problems import Problem
from perpend.types import Candidate, Verdict, VerifierSpec
from perpend.verifiers import GOLD, Task, Verifier


async def grade(
    verifier: Callable[[VerifierSpec], Verifier], problem: Problem, candidate: Candidate
) -> Verdict:
    """A problem whose gold can't be read is failed, and says why: the others go on. Raises BadRequest where it's graded
    elsewhere.
    """
    if problem.verifier is None:
        raise BadRequest(f"{problem.id} can't be graded here: its suite has no verifier", field="SUITE")
    question = "\n\n".join(message.text for message in problem.messages)
    task = Task(question=question, gold=problem.gold)
    try:
        return await verifier(problem.verifier).verify(task, candidate)
    except BadRequest as error:
        if error.field != GOLD:
            raise
        return Verdict(0.0, False, f"{problem.id}: {error.message}")
