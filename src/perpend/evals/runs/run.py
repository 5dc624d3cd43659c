"""A run: ask every problem, several at a time, and keep each sample once it's graded."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from perpend.accounting.ledger import Scope, Spend
from perpend.accounting.prices import together
from perpend.errors import CapReached, PerpendError
from perpend.evals.problems import Problem
from perpend.evals.runs.folder import RunFolder
from perpend.evals.runs.grading import Graded, sample_of
from perpend.evals.runs.log import SampleLog
from perpend.evals.runs.samples import RunSettings, Sample
from perpend.evals.runs.targets import Target
from perpend.evals.runs.workers import FATAL_FAILURES, run_workers
from perpend.strategies import strategy_spec
from perpend.types import Answer, Limits, OutputSpec, Request, Sampling

Grade = Callable[[Problem, Answer], Awaitable[Graded]]
RunListener = Callable[["RunProgress"], None]

_SHARES = 4
"""A sample may cost a quarter of what is left of the run's cap after the reservations of concurrent samples."""


@dataclass(slots=True)
class RunProgress:
    """The progress of a run, earlier samples of its folder included."""

    total: int
    done: int = 0
    right: int = 0
    failed: int = 0
    cost_usd: Decimal | None = Decimal(0)
    """None where a price isn't known."""
    stopped: str | None = None
    """Why the run ended before all samples were there."""


def request_of(problem: Problem, number: int, settings: RunSettings) -> Request:
    """The request of a sample. Its seed is derived from the run's seed, the problem and the number, so a continued run
    draws the same. Raises BadRequest where the strategy can't be read.
    """
    digest = hashlib.sha256(f"{settings.seed} {problem.id} {number}".encode()).digest()
    return Request(
        messages=problem.messages,
        model=settings.model,
        effort=settings.effort,
        limits=Limits(
            max_thinking_tokens=settings.max_thinking_tokens,
            max_output_tokens=settings.max_output_tokens,
        ),
        sampling=Sampling(temperature=settings.temperature, seed=int.from_bytes(digest[:3])),
        strategy=strategy_spec(settings.strategy),
        output_spec=OutputSpec(tools=problem.tools),
    )


class Run:
    """Completes a folder. A request's failure makes a sample with an error; one that all requests would meet stops the
    run.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        folder: RunFolder,
        target: Target,
        grade: Grade,
        *,
        at_once: int,
        max_cost_usd: Decimal | None = None,
    ) -> None:
        """`at_once`: samples at a time; `max_cost_usd`: for the whole run, earlier samples included."""
        self._settings = folder.header.settings
        self._problems = problems
        self._folder = folder
        self._target = target
        self._grade = grade
        self._at_once = at_once
        self._scope = Scope("run", usd=max_cost_usd)

    async def finish(self, listener: RunListener) -> RunProgress:
        """Ask and grade the missing samples. Raises PerpendError that every sample would meet, StorageError."""
        samples = self._folder.samples
        progress = RunProgress(total=len(self._problems) * self._settings.samples)
        for sample in samples:
            self._count(progress, sample)
            self._scope.reserve(Spend()).settle(Spend(usd=sample.spent_usd or Decimal(0)))
        known = {(sample.problem, sample.number) for sample in samples}
        todo = iter(
            (problem, number)
            for number in range(self._settings.samples)
            for problem in self._problems
            if (problem.id, number) not in known
        )
        await run_workers(self._at_once, lambda: self._work(todo, progress, listener))
        return progress

    async def _work(
        self, todo: Iterator[tuple[Problem, int]], progress: RunProgress, listener: RunListener
    ) -> None:
        for problem, number in todo:
            log = SampleLog()
            try:
                sample = await self._sample(problem, number, log)
            except CapReached:
                progress.stopped = "the run's cap is reached"
                return
            self._folder.add(sample, log.moments)
            self._count(progress, sample)
            listener(progress)

    async def _sample(self, problem: Problem, number: int, log: SampleLog) -> Sample:
        request = request_of(problem, number, self._settings)
        left = self._scope.left.usd
        share = None if left is None else left / _SHARES
        if share is not None:
            request = replace(request, limits=replace(request.limits, max_cost_usd=share))
        with self._scope.reserve(Spend(usd=share or Decimal(0))) as reservation:
            try:
                answer = await self._target.answer(request, log)
            except FATAL_FAILURES:
                raise
            except CapReached:
                if share is not None:
                    raise
                return Sample(problem=problem.id, number=number, error="cap_reached")
            except PerpendError as error:
                return Sample(problem=problem.id, number=number, error=error.code)
            reservation.settle(Spend(usd=answer.cost_usd or Decimal(0)))
        graded = await self._grade(problem, answer)
        self._scope.reserve(Spend()).settle(Spend(usd=graded.cost_usd or Decimal(0)))
        return sample_of(problem.id, number, answer, graded)

    @staticmethod
    def _count(progress: RunProgress, sample: Sample) -> None:
        progress.done += 1
        progress.right += sample.correct
        progress.failed += sample.error is not None
        progress.cost_usd = together((progress.cost_usd, sample.spent_usd))
