"""Mathematical answers: the last one of a solution, equal to the gold as mathematics. Needs the extra `math`."""

from perpend.verifiers.contract import verifiers
from perpend.verifiers.workers import InWorkers


class Math(InWorkers):
    """SymPy can't be interrupted from inside."""

    module = "perpend.verifiers.math_equal"
    extra = "math"
    package = "math_verify"
    late = "the answer took too long to compare: write it in simpler terms"

    async def same(self, first: str, second: str) -> bool:
        if first == second:
            return True
        verdict = await self._workers.check(first, second)
        return verdict is not None and verdict.passed


verifiers.register("math")(Math)
