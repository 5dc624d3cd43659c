"""The candidates of a run as samples of their own: what one of them, a vote of some, or the best would be worth."""

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
    """Graded as the run was; a candidate's reward is its score. Raises BadRequest where no sample has several."""
    problems = read_problems(path)
    each = [(sample.problem, one) for sample in read_samples(path) for one in sample.candidates]
    if not each:
        raise BadRequest(f"no sample of {path} has several candidates", field="--candidates")
    verdicts = await asyncio.gather(
        *(
            grade(verifier, problems[name], Candidate(answer=one.answer, thinking=one.thinking))
            for name, one in each
        )
    )
    return [
        SampleRow(
            problem=name,
            correct=verdict.passed,
            answer=one.answer or None,
            thinking_tokens=one.usage.thinking,
            truncated=one.stop_reason not in COMPLETE,
            reward=one.score,
        )
        for (name, one), verdict in zip(each, verdicts, strict=True)
    ]
