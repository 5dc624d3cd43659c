"""Compares a solution's final answer with the gold as mathematics. Needs the extra `math`."""

from importlib.util import find_spec

from perpend.errors import ConfigError
from perpend.extras import install
from perpend.verifiers.contract import Task, verifiers
from perpend.verifiers.worker_pool import WorkerVerifier


class Math(WorkerVerifier):
    """Runs in worker processes, since SymPy can't be interrupted from inside."""

    module = "perpend.verifiers.math_equal"
    extra = "math"
    package = "math_verify"
    """The extra's module."""
    timeout_feedback = "the answer took too long to compare: write it in simpler terms"

    async def check(self, task: Task) -> None:
        """Raises ConfigError where the extra isn't installed. Any gold will do, so no worker is started."""
        if find_spec(self.package) is None:
            raise ConfigError(f"{self.package} isn't installed", hint=install(f"perpend[{self.extra}]"))

    async def same(self, first: str, second: str) -> bool:
        if first == second:
            return True
        verdict = await self._workers.check(first, second)
        return verdict is not None and verdict.passed


verifiers.register("math")(Math)
