"""Grading answers after they came, by each problem's own verifier: the model never had the gold."""

from collections.abc import Callable

from perpend.errors import BadRequest
from perpend.evals.problems import Problem
from perpend.types import Candidate, Verdict, VerifierSpec
from perpend.verifiers import Task, Verifier


async def grade(
    verifier: Callable[[VerifierSpec], Verifier], problem: Problem, candidate: Candidate
) -> Verdict:
    """Raises BadRequest where the problem is graded elsewhere."""
    if problem.verifier is None:
        raise BadRequest(f"{problem.id} can't be graded here: its suite has no verifier", field="SUITE")
    question = "\n\n".join(message.text for message in problem.messages)
    task = Task(question=question, gold=problem.gold)
    return await verifier(problem.verifier).verify(task, candidate)
