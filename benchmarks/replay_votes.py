"""Voting and best of N on recorded samples of real models, through the real strategies: no model is needed.

    python -m benchmarks.replay_votes --orders 40

The samples lie in ../shared/data/outcomes. Each problem's samples come in `--orders` random orders (seeded), of which a
strategy takes the first N; where N is all of them, in the recorded order alone. Intervals: 95 %, bootstrap over
problems. `as all N`: how often a vote that ended early elected what all N votes elect.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from math import comb
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from recorded_samples import Problem, Same, Sample, drawn, game24, llama50, math100
from shared_data import FOLDER

from perpend.types import VerifierSpec
from perpend.verifiers import make_verifier

Draws = Sequence[Sequence[Sample]]
"""Of one problem: samples in several orders."""
Way = Callable[[Sequence[Sample]], Awaitable[tuple[Sample, int]]]
"""Chooses one of the samples, having looked at so many."""


class Row(NamedTuple):
    data: str
    way: str
    right: list[float]
    """Of each problem's draws."""
    used: float
    alike: float | None = None


def by(strategy: str, *, same: Same | None = None, rewards: bool = False, **options: object) -> Way:
    async def chosen(samples: Sequence[Sample]) -> tuple[Sample, int]:
        n = len(samples)
        sample, answer = await drawn(samples, strategy, same=same, rewards=rewards, n=n, **options)
        return sample, len(answer.candidates)

    return chosen


async def adaptive(samples: Sequence[Sample], confidence: float = 0.95) -> tuple[Sample, int]:
    """Adaptive-Consistency's Beta criterion, for comparison: that the first answer is more usual than the second."""
    votes: dict[str, int] = {}
    used = 0
    for sample in samples:
        used += 1
        if sample.answer:
            votes[sample.answer] = votes.get(sample.answer, 0) + 1
            first, second = (*sorted(votes.values(), reverse=True), 0)[:2]
            tries = first + second + 1
            if sum(comb(tries, k) for k in range(first + 1)) / 2**tries >= confidence:
                break
    leader = max(votes, key=lambda answer: votes[answer], default="")
    return next(sample for sample in samples if sample.answer == leader), used


async def compared(data: str, draws: Sequence[Draws], ways: dict[str, Way], full: str = "vote") -> list[Row]:
    """A row for each way. `full`: the one that early ones are held against."""
    make_verifier = {
        name: [[await way(samples) for samples in orders] for orders in draws] for name, way in ways.items()
    }
    rows: list[Row] = []
    for name, each in make_verifier.items():
        flat = [one for orders in each for one in orders]
        right = [fmean(sample.right for sample, _ in orders) for orders in each]
        used = fmean(used for _, used in flat)
        alike = None
        if name.startswith(f"{full},"):
            elected = [one for orders in make_verifier[full] for one in orders]
            alike = fmean(a.answer == b.answer for (a, _), (b, _) in zip(flat, elected, strict=True))
        rows.append(Row(data, name, right, used, alike))
    return rows


def orders(problems: Sequence[Problem], n: int, count: int) -> list[Draws]:
    rng = random.Random(1)
    return [
        [one.samples] if n == len(one.samples) else [rng.sample(one.samples, n) for _ in range(count)]
        for one in problems
    ]


def alone(data: str, problems: Sequence[Problem]) -> Row:
    return Row(data, "one sample", [fmean(s.right for s in one.samples) for one in problems], 1)


VOTES = {
    "vote": by("self_consistency", confidence=1.0),
    "vote, confidence 0.99": by("self_consistency", confidence=0.99),
    "vote, confidence 0.95": by("self_consistency", confidence=0.95),
    "vote, confidence 0.9": by("self_consistency", confidence=0.9),
    "vote, Adaptive-Consistency 0.95": adaptive,
}


async def run(folder: Path, count: int) -> list[Row]:
    eight, name = math100(folder), "MATH, 8 of Qwen2.5-Math"
    rows = [alone(name, eight)]
    rewarded = {
        "vote weighted by reward": by("self_consistency", weighted="score", rewards=True),
        "best by reward": by("best_of_n", rewards=True),
        "first that is right": by("best_of_n"),
    }
    rows += await compared(name, orders(eight, 8, 1), {**VOTES, **rewarded})
    texts = [
        Problem(p.id, tuple(Sample(s.text, s.right, s.mark) for s in p.samples if s.text)) for p in eight
    ]
    for verifier in ("answer", "math"):
        checker = make_verifier(VerifierSpec(verifier))
        ways = {
            f"vote, equal by `{verifier}`": by("self_consistency", same=checker.same, confidence=1.0),
            f"vote weighted by reward, equal by `{verifier}`": by(
                "self_consistency", same=checker.same, weighted="score", rewards=True
            ),
        }
        rows += await compared(f"{name}, whole texts", orders(texts, 8, 1), ways, full="")
        await checker.aclose()
    for dataset, title in (("amc23", "AMC 2023"), ("aime2024", "AIME 2024")):
        problems, name = llama50(folder, dataset), f"{title}, 50 of Llama-3.2-3B"
        rows.append(alone(name, problems))
        for n in (8, 32):
            rows += await compared(f"{name}, {n} drawn", orders(problems, n, count), VOTES)
        rows += await compared(name, orders(problems, 50, 1), {"first that is right": by("best_of_n")})
    games, name = game24(folder), "Game of 24, 100 of GPT-4"
    rows.append(alone(name, games))
    rows += await compared(
        name,
        orders(games, 100, 1),
        {"vote": by("self_consistency", confidence=1.0), "first that is right": by("best_of_n")},
    )
    return rows


def interval(values: Sequence[float]) -> tuple[float, float]:
    rng = random.Random(1)
    means = sorted(fmean(rng.choices(values, k=len(values))) for _ in range(2000))
    return means[50], means[-51]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=FOLDER / "outcomes")
    options = parser.parse_args()
    data = ""
    for row in asyncio.run(run(options.folder, options.orders)):
        if row.data != data:
            data = row.data
            print(f"\n{data} ({len(row.right)} problems)")
            print(f"  {'':48} {'right':>6}  {'95 %':14} {'samples':>7}  as all N")
        low, high = interval(row.right)
        alike = "" if row.alike is None else f"{row.alike:.3f}"
        print(
            f"  {row.way:48} {fmean(row.right):6.3f}  {low:.3f} to {high:.3f} {row.used:7.1f}  {alike}".rstrip()
        )


if __name__ == "__main__":
    main()
