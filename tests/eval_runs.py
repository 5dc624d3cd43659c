"""Folders of runs over eight questions, of which some were answered rightly."""

from collections.abc import Sequence
from pathlib import Path

from perpend.evals.problems import Problem
from perpend.evals.runs.folder import Header, RunFolder
from perpend.evals.runs.samples import Attempt, RunSettings, Sample
from perpend.types import Message, Usage, Verdict, VerifierSpec

EVIL = "<script>alert(1)</script>"
PROBLEMS = [
    Problem(
        id=f"p{n}",
        messages=(Message("user", f"{EVIL} {n}?"),),
        verifier=VerifierSpec("exact", str(n)),
        category="odd" if n % 2 else "even",
    )
    for n in range(8)
]


def a_run(path: Path, right: set[int], budget: int, candidates: Sequence[str] = ()) -> Path:
    """`candidates`: what those of each sample answered."""
    attempts = tuple(
        Attempt(answer=answer, thinking=EVIL, usage=Usage(5, 0, 7, 1), stop_reason="stop", score=n / 10)
        for n, answer in enumerate(candidates)
    )
    settings = RunSettings(
        suite="mine.jsonl",
        problems=tuple(p.id for p in PROBLEMS),
        fingerprint="f",
        target="local",
        max_thinking_tokens=budget,
    )
    header = Header(settings=settings, started="2026-01-02T03:04:05+00:00", versions={}, machine={})
    with RunFolder.open(path, header, PROBLEMS) as folder:
        for n, problem in enumerate(PROBLEMS):
            verdict = Verdict(float(n in right), n in right)
            usage = Usage(5, 0, budget - n, 1)
            folder.add(
                Sample(
                    problem=problem.id,
                    number=0,
                    answer=EVIL,
                    thinking=EVIL,
                    verdict=verdict,
                    usage=usage,
                    candidates=attempts,
                )
            )
    return path
