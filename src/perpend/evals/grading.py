"""Grading answers after they came, by each problem's own verifier: the model never had the gold."""

from perpend.errors import BadRequest
from perpend.evals.problems import Problem
from perpend.types import Candidate, Verdict
from perpend.verifiers import Task, Verifier, made


class Grader:
    """One verifier of each kind serves all problems. Close it at the end."""

    def __init__(self) -> None:
        self._verifiers: dict[str, Verifier] = {}

    async def __call__(self, problem: Problem, candidate: Candidate) -> Verdict:
        """Raises BadRequest where the problem is graded elsewhere."""
        spec = problem.verifier
        if spec is None:
            raise BadRequest(f"{problem.id} can't be graded here: its suite has no verifier", field="SUITE")
        if spec.options:
            return await _checked(made(spec), problem, candidate)
        if spec.name not in self._verifiers:
            self._verifiers[spec.name] = made(spec)
        return await _checked(self._verifiers[spec.name], problem, candidate)

    async def aclose(self) -> None:
        for verifier in self._verifiers.values():
            await verifier.aclose()


async def _checked(verifier: Verifier, problem: Problem, candidate: Candidate) -> Verdict:
    question = "\n\n".join(message.text for message in problem.messages)
    return await verifier.verify(Task(question=question, gold=problem.gold), candidate)
