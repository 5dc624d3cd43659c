"""On recorded samples of real models the strategies choose what figures computed without them say."""

import random
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from recorded_samples import Problem, Sample, drawn, game24, llama50, math100
from shared_data import shared


@pytest.fixture(scope="module")
def folder() -> Path:
    return shared("outcomes")


async def right(
    problems: list[Problem], strategy: str, n: int, *, rewards: bool = False, **how: Any
) -> float:
    chosen = [await drawn(one.samples[:n], strategy, n=n, rewards=rewards, **how) for one in problems]
    return fmean(sample.right for sample, _ in chosen)


def majority(samples: list[Sample]) -> Sample:
    """Of the most frequent texts, the one that came first."""
    votes = Counter(sample.answer for sample in samples if sample.answer)
    return max(samples, key=lambda sample: votes[sample.answer])


async def test_eight_samples_with_rewards(folder: Path) -> None:
    problems = math100(folder)
    each = [sample for one in problems for sample in one.samples]
    assert len(each) == 800
    alone = [
        await right([Problem(p.id, p.samples[k:]) for p in problems], "self_consistency", 1) for k in range(8)
    ]
    assert fmean(alone) == pytest.approx(fmean(sample.right for sample in each)) == pytest.approx(0.910)

    voted = await right(problems, "self_consistency", 8, confidence=1.0)
    assert voted == fmean(majority([*one.samples]).right for one in problems) == 0.930

    best = await right(problems, "best_of_n", 8, rewards=True)
    assert best == fmean(max(one.samples, key=lambda s: s.mark).right for one in problems) == 0.940

    weighted = await right(problems, "self_consistency", 8, rewards=True, weighted="score")
    sums = [Counter[str]() for _ in problems]
    for one, votes in zip(problems, sums, strict=True):
        for sample in one.samples:
            votes[sample.answer] += sample.mark  # pyright: ignore[reportArgumentType] - it counts fractions too
    heaviest = [
        max(one.samples, key=lambda s, votes=votes: votes[s.answer])
        for one, votes in zip(problems, sums, strict=True)
    ]
    assert weighted == fmean(sample.right for sample in heaviest) == 0.940

    verified = await right(problems, "best_of_n", 8)
    assert verified == fmean(any(s.right for s in one.samples) for one in problems) == 0.960


async def test_a_vote_that_ends_early_loses_no_more_than_it_says(folder: Path) -> None:
    problems, used, same = math100(folder), 0, 0
    for one in problems:
        full, _ = await drawn(one.samples, "self_consistency", n=8, confidence=1.0)
        early, answer = await drawn(one.samples, "self_consistency", n=8, confidence=0.95)
        used += len(answer.candidates)
        same += early.answer == full.answer
    assert same >= 95
    assert used < 300, "of 800; 431 of them make it certain"


async def test_thirty_two_votes_of_fifty(folder: Path) -> None:
    orders = random.Random(1)
    ours: list[bool] = []
    theirs: list[bool] = []
    for one in llama50(folder, "amc23") * 10:
        samples = orders.sample(one.samples, 32)
        chosen, _ = await drawn(samples, "self_consistency", n=32, confidence=1.0)
        ours.append(chosen.right)
        theirs.append(majority(samples).right)
    assert ours == theirs
    assert fmean(ours) == pytest.approx(0.251, abs=0.02)


@pytest.mark.parametrize(("dataset", "once", "ever"), [("amc23", 0.144, 0.675), ("aime2024", 0.024, 0.300)])
async def test_fifty_tries_with_a_verifier(folder: Path, dataset: str, once: float, ever: float) -> None:
    problems = llama50(folder, dataset)
    assert fmean(s.right for one in problems for s in one.samples) == pytest.approx(once)
    assert await right(problems, "best_of_n", 50) == ever


async def test_a_hundred_chains_on_the_game_of_24(folder: Path) -> None:
    problems = game24(folder)
    assert fmean(s.right for one in problems for s in one.samples) == pytest.approx(0.040, abs=5e-4)
    assert await right(problems, "best_of_n", 100) == 0.49
