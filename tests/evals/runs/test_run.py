"""A run asks each sample once, keeps its cap, and tells failures of a problem from failures of all."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from costs import known
from msgspec.structs import replace
from spine import PRICED, Spine
from words import WordBackend

from perpend.errors import PerpendError, Unauthenticated, UpstreamError
from perpend.evals.problems import Problem, fingerprint
from perpend.evals.runs.folder import Header, RunFolder, read_events, read_samples
from perpend.evals.runs.grading import Grader
from perpend.evals.runs.log import SampleLog
from perpend.evals.runs.run import Run, RunProgress, request_of
from perpend.evals.runs.samples import RunSettings
from perpend.types import Answer, Message, Request, VerifierSpec
from perpend.verifiers import make_verifier

PROBLEMS = [
    Problem(
        id=f"p{number}",
        messages=(Message("user", f"what is {number}"),),
        verifier=VerifierSpec("exact", "w0 w1"),
    )
    for number in range(6)
]
SETTINGS = RunSettings(
    suite="s",
    problems=tuple(p.id for p in PROBLEMS),
    fingerprint=fingerprint(PROBLEMS),
    target="local",
    samples=2,
)


class Asked:
    """A spine as a target; `fails` says with what a question fails."""

    def __init__(self, *, price: bool = False, fails: dict[str, PerpendError] | None = None) -> None:
        self.requests: list[Request] = []
        self.backend = WordBackend(thought=5, reply=2)
        self._price = price
        self._fails = fails or {}

    async def answer(self, request: Request, log: SampleLog) -> Answer:
        self.requests.append(request)
        if (error := self._fails.get(request.messages[0].text)) is not None:
            raise error
        spine = Spine(self.backend, price=PRICED) if self._price else Spine(self.backend)
        return await spine.ask(request, log=log)


async def finish(
    path: Path,
    target: Asked,
    settings: RunSettings = SETTINGS,
    at_once: int = 3,
    max_cost_usd: Decimal | None = None,
) -> RunProgress:
    header = Header(settings=settings, started="", versions={}, machine={})
    with RunFolder.open(path, header, PROBLEMS) as folder:
        run = Run(PROBLEMS, folder, target, Grader(make_verifier), at_once=at_once, max_cost_usd=max_cost_usd)
        return await run.finish(lambda _: None)


async def test_every_sample_is_asked_once_and_graded(tmp_path: Path) -> None:
    target = Asked()
    progress = await finish(tmp_path, target)
    assert (progress.done, progress.right, progress.total) == (12, 12, 12)
    samples = read_samples(tmp_path)
    assert read_events(tmp_path).keys() == {(s.problem, s.number) for s in samples}
    assert sorted((s.problem, s.number) for s in samples) == [(p.id, n) for p in PROBLEMS for n in (0, 1)]
    assert len({request.sampling.seed for request in target.requests}) == 12
    assert all(request.verifier is None for request in target.requests), "the gold isn't the model's to see"


async def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    first = Asked(fails={"what is 3": Unauthenticated("no")})
    with pytest.raises(Unauthenticated):
        await finish(tmp_path, first, at_once=1)
    known = {(sample.problem, sample.number) for sample in read_samples(tmp_path)}
    assert len(known) == 3
    second = Asked()
    progress = await finish(tmp_path, second)
    assert progress.done == 12
    assert len(second.requests) == 12 - len(known)


async def test_a_sample_that_goes_on_has_the_seed_that_it_would_have_had() -> None:
    one, other = request_of(PROBLEMS[2], 1, SETTINGS), request_of(PROBLEMS[2], 1, SETTINGS)
    assert one == other
    assert request_of(PROBLEMS[2], 1, replace(SETTINGS, seed=1)).sampling.seed != one.sampling.seed


async def test_one_problems_failure_is_a_sample(tmp_path: Path) -> None:
    progress = await finish(tmp_path, Asked(fails={"what is 3": UpstreamError("died")}))
    assert (progress.done, progress.failed, progress.right) == (12, 2, 10)
    failed = [sample for sample in read_samples(tmp_path) if sample.error]
    assert [(sample.problem, sample.error) for sample in failed] == [("p3", "upstream_error")] * 2


@pytest.mark.parametrize("at_once", [1, 4])
async def test_a_cap_on_the_run_is_kept_to_the_cent(tmp_path: Path, at_once: int) -> None:
    cap = Decimal("0.002")
    capped = replace(SETTINGS, samples=50)
    progress = await finish(tmp_path, Asked(price=True), capped, at_once, cap)
    spent = sum((known(sample.cost_usd) for sample in read_samples(tmp_path)), Decimal(0))
    assert 0 < spent <= Decimal("0.002")
    assert progress.stopped
    assert progress.cost_usd == spent
    again = await finish(tmp_path, Asked(price=True), capped, at_once, cap)
    assert known(again.cost_usd) <= Decimal("0.002")


async def test_cancelling_leaves_whole_samples_and_nothing_running(tmp_path: Path) -> None:
    target = Asked()
    target.backend.delay_s = 0.05
    running = asyncio.ensure_future(finish(tmp_path, target))
    await asyncio.sleep(0.3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert target.backend.streaming == 0
    assert len(read_samples(tmp_path)) < 12
