"""Recorded samples of real models, drawn again by the real strategies: no model, and the same votes each time."""

import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from scripted_candidates import Try, tries
from spine import Spine, request

from perpend.types import PASSED, Answer, Candidate, StrategySpec, Verdict, VerifierSpec
from perpend.verifiers import Task, Verifier

Same = Callable[[str, str], Awaitable[bool]]


class Sample(msgspec.Struct, frozen=True):
    answer: str
    """As its own project's grader read it; empty where it found none."""
    right: bool
    """By that grader."""
    mark: float = 0.0
    """Of a reward model, as a probability."""
    text: str = ""
    """All that was said, where that was kept."""


class Problem(msgspec.Struct, frozen=True):
    id: str
    samples: tuple[Sample, ...]


def math100(folder: Path) -> list[Problem]:
    """8 samples of Qwen2.5-Math with rewards on 100 problems of MATH."""
    return [
        Problem(
            row["id"],
            tuple(
                Sample(str(answer), bool(right), 1 / (1 + math.exp(-reward)), text)
                for answer, right, reward, text in zip(
                    row["preds"], row["correct"], row["rm_scores"], row["responses"], strict=True
                )
            ),
        )
        for row in _rows(folder / "bon_math100_x8_rm.jsonl")
    ]


def llama50(folder: Path, dataset: str, step: int = 400) -> list[Problem]:
    """50 samples of Llama-3.2-3B at a step of its training, on `amc23` or `aime2024`."""
    return [
        Problem(
            row["id"],
            tuple(Sample(a or "", bool(r)) for a, r in zip(row["preds"], row["correct"], strict=True)),
        )
        for row in _rows(folder / "samples50_llama3b_aime_amc.jsonl")
        if row["dataset"] == dataset and f"step{step}" in row["source"]
    ]


def game24(folder: Path) -> list[Problem]:
    """100 chains of thought of GPT-4 on each of 100 games."""
    return [
        Problem(
            row["id"], tuple(Sample(a, bool(r)) for a, r in zip(row["samples"], row["scores"], strict=True))
        )
        for row in _rows(folder / "game24_gpt4_samples100.jsonl")
        if "cot" in row["source"]
    ]


class Recorded(Verifier):
    """What was recorded of each sample, by its number: whether it's right, or its reward."""

    def __init__(self, samples: Sequence[Sample], same: Same | None, *, rewards: bool) -> None:
        self._samples = samples
        self._same = same
        self._rewards = rewards

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        sample = self._samples[candidate.index]
        if self._rewards:
            return Verdict(sample.mark, False, "nobody knows")
        return PASSED if sample.right else Verdict(0.0, False, "it's wrong")

    async def same(self, first: str, second: str) -> bool:
        return first == second if self._same is None else await self._same(first, second)


async def drawn(
    samples: Sequence[Sample],
    strategy: str,
    *,
    same: Same | None = None,
    rewards: bool = False,
    **options: Any,
) -> tuple[Sample, Answer]:
    """The one that a strategy chooses of these, which come one after the other. `same`: else equal answers are equal
    texts.
    """
    backend = tries(*(Try(sample.answer, thinks=0) for sample in samples))
    verifier = Recorded(samples, same, rewards=rewards)
    spec = StrategySpec(strategy, options, VerifierSpec("recorded"))
    spine = Spine(backend, family="generic", verifier=verifier, width=1)
    answer = await spine.ask(request(strategy=spec, effort="none"))
    return next(sample for sample in samples if sample.answer == answer.text), answer


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return map(msgspec.json.decode, path.read_bytes().splitlines())
