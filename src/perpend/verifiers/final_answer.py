"""Compares final answers: as numbers where they are, else as text. Needs no extra."""

from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers


class FinalAnswer(Verifier):
    """Also counts the votes where a request names no verifier."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        if await self.same(task.required_gold, candidate.answer):
            return PASSED
        return Verdict(0.0, False, "the final answer is another one")


verifiers.register("answer")(FinalAnswer)
