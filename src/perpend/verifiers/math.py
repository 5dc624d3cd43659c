"""Mathematical answers: the last one of a solution, equal to the gold as mathematics. Needs the extra `math`."""

from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers
from perpend.verifiers.workers import Workers


class Math(Verifier):
    """SymPy runs in workers that are killed after `timeout_s`: a comparison that takes longer hasn't passed."""

    needs_gold = True

    def __init__(self, workers: int = 0, timeout_s: float = 5.0) -> None:
        self._workers = Workers(workers, timeout_s=timeout_s)

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        equal = await self._workers.equal(task.right, candidate.answer)
        if equal is None:
            return Verdict(0.0, False, "the answer took too long to compare: write it in simpler terms")
        return PASSED if equal else Verdict(0.0, False, "the final answer is wrong")

    async def same(self, first: str, second: str) -> bool:
        return first == second or await self._workers.equal(first, second) is True

    async def aclose(self) -> None:
        await self._workers.aclose()


verifiers.register("math")(Math)
