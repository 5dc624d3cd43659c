"""A run on the replay backend: no upstream, no HTTP; what is left is the harness itself.

python -m benchmarks.harnesses.replayed problems.jsonl perpend.toml FOLDER AT_ONCE
"""

import asyncio
import sys
from dataclasses import replace
from itertools import repeat
from pathlib import Path

from benchmarks.load.dialects import ANSWER, PROMPT_TOKENS, THINKING, THINKING_TOKENS, TOKENS
from perpend.backends.contract import CallEnded
from perpend.backends.replay import ReplayBackend
from perpend.config import load_config
from perpend.evals.problems import fingerprint
from perpend.evals.runs.folder import Header, RunFolder
from perpend.evals.runs.grading import Grader
from perpend.evals.runs.log import SampleLog
from perpend.evals.runs.run import Run
from perpend.evals.runs.samples import RunSettings
from perpend.evals.suites import own_questions
from perpend.runtime import Runtime
from perpend.solve import Origin, Services, solve
from perpend.types import Answer, AnswerDelta, Request, ThinkingDelta, Usage

USAGE = Usage(PROMPT_TOKENS, 0, THINKING_TOKENS, TOKENS - THINKING_TOKENS)
SAID = [
    ThinkingDelta(THINKING, USAGE.thinking),
    AnswerDelta(ANSWER, USAGE.answer),
    CallEnded("stop", USAGE),
]


class Replayed:
    """A target: the whole spine, its ledger on disk, over one recording."""

    def __init__(self, runtime: Runtime) -> None:
        served = replace(runtime.models.resolve(None), backend=ReplayBackend(repeat([SAID])))
        self._services = Services(
            resolve=lambda name: served,
            recorder=runtime.store.writer,
            default_effort="medium",
            cheap_model=lambda beside: served,
            verifier=runtime.verifiers.get,
            summary_every_tokens=256,
        )

    async def answer(self, request: Request, log: SampleLog) -> Answer:
        return await solve(request, self._services, log_sink=log, origin=Origin("eval"))


async def main(suite: Path, config: Path, out: Path, at_once: int) -> None:
    problems = own_questions.problems(suite)
    settings = RunSettings(
        suite=suite.name,
        problems=tuple(problem.id for problem in problems),
        fingerprint=fingerprint(problems),
        target="local",
    )
    header = Header(settings=settings, started="", versions={}, machine={})
    async with await Runtime.open(load_config(config)) as runtime:
        with RunFolder.open(out, header, problems) as folder:
            grader = Grader(runtime.verifiers.get)
            run = Run(problems, folder, Replayed(runtime), grader, at_once=at_once)
            progress = await run.finish(lambda _: None)
    print(f"{progress.right} of {progress.done} right")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
