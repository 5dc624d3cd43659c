"""Mathematical answers: the last one of a solution, equal to the gold as mathematics. Needs the extra `math`."""

from importlib.util import find_spec

from perpend.errors import ConfigError
from perpend.extras import install
from perpend.verifiers.contract import Task, verifiers
from perpend.verifiers.worker_pool import WorkerVerifier


class Math(WorkerVerifier):
    """SymPy can't be interrupted from inside."""

    module = "perpend.verifiers.math_equal"
    extra = "math"
    package = "math_verify"
    """What of the extra is imported."""
    late = "the answer took too long to compare: write it in simpler terms"

    async def check(self, task: Task) -> None:
        """Any gold can be compared with, so none is sent to a worker, which takes seconds to start."""
        if find_spec(self.package) is None:
            raise ConfigError(f"{self.package} isn't installed", hint=install(f"perpend[{self.extra}]"))

    async def same(self, first: str, second: str) -> bool:
        if first == second:
            return True
        verdict = await self._workers.check(first, second)
        return verdict is not None and verdict.passed


verifiers.register("math")(Math)
