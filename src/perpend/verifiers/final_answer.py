"""The final answer of a text, compared as a number where it is one and as text where it isn't. Needs no extra."""

from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers


class FinalAnswer(Verifier):
    """How votes are counted where a request names no verifier."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        if await self.same(task.right, candidate.answer):
            return PASSED
        return Verdict(0.0, False, "the final answer is another one")


verifiers.register("answer")(FinalAnswer)
