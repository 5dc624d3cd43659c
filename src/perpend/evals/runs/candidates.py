"""Read a run's candidates as samples, for the statistics of one candidate, a vote and the best."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from perpend.errors import BadRequest
from perpend.evals.runs.folder import read_problems, read_samples
from perpend.evals.runs.grading import grade
from perpend.evals.runs.rows import SampleRow
from perpend.types import COMPLETE, Candidate, VerifierSpec
from perpend.verifiers import Verifier


async def candidate_rows(path: Path, verifier: Callable[[VerifierSpec], Verifier]) -> list[SampleRow]:
    """A row for each candidate, graded as the run was; its reward is its score. Raises BadRequest where no sample has
    several, or the folder isn't a run's.
    """
    problems = read_problems(path)
    attempts = [(sample.problem, attempt) for sample in read_samples(path) for attempt in sample.candidates]
    if not attempts:
        raise BadRequest(f"no sample of {path} has several candidates", field="--candidates")
    verdicts = await asyncio.gather(
        *(
            grade(verifier, problems[name], Candidate(answer=attempt.answer, thinking=attempt.thinking))
            for name, attempt in attempts
        )
    )
    return [
        SampleRow(
            problem=name,
            correct=verdict.passed,
            answer=attempt.answer or None,
            thinking_tokens=attempt.usage.thinking,
            truncated=attempt.stop_reason not in COMPLETE,
            reward=attempt.score,
        )
        for (name, attempt), verdict in zip(attempts, verdicts, strict=True)
    ]
