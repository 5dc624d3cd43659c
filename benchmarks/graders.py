"""Graders against labels, and how many answers a core checks in a second.

    python -m benchmarks.graders

Needs ../shared/data beside the checkout. Three tables: agreement of `math`, `answer` and math-verify alone with the
graders' own cases and with pairs of model runs (labelled by another grader: unverified); CPU seconds of `math` and
math-verify, pair by pair in turn in one process, so that a busy machine slows both alike; and what `numbers` flags in
solutions that are labelled right and wrong.
"""

import argparse
import asyncio
import json
import logging
import random
import re
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from math_verify import parse, verify  # pyright: ignore[reportMissingTypeStubs]

from benchmarks import machine
from perpend.statistics import Proportion, proportion
from perpend.types import Candidate, VerifierSpec
from perpend.verifiers import Task, make_verifier
from perpend.verifiers.math_equal import equal
from perpend.verifiers.worker_pool import Workers

DATA = Path(__file__).parents[2] / "shared" / "data"
Row = dict[str, Any]
Grader = Callable[[str, str], bool]


def rows(path: str) -> list[Row]:
    with (DATA / path).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def math_verify_alone(gold: str, given: str) -> bool:
    """As its README has it: LaTeX in dollar signs; an answer is tried as it is, and as LaTeX."""
    right = parsed(in_dollars(gold))
    return any(verify(right, parsed(text)) for text in dict.fromkeys((given, in_dollars(given))))


def in_dollars(text: str) -> str:
    return text if re.search(r"\$|\\boxed|\\[(\[]", text) else f"${text}$"


def parsed(text: str) -> list[Any]:
    return cast("list[Any]", parse(text))  # with its own time-outs, of 5 s


def timed(grader: Grader, gold: str, given: str) -> tuple[bool, float]:
    began = time.process_time()
    try:
        same = grader(gold, given)
    except Exception:
        same = False
    return same, time.process_time() - began


def interval(part: Proportion) -> str:
    return f"{part.estimate:6.1%} ({part.low:.1%} to {part.high:.1%}, n={part.n})"


def told(name: str, said: list[bool], labels: list[bool]) -> None:
    right = sum(one == label for one, label in zip(said, labels, strict=True))
    missed = sum(label and not one for one, label in zip(said, labels, strict=True))
    passed = sum(one and not label for one, label in zip(said, labels, strict=True))
    positives = sum(labels)
    print(f"  {name:12} agrees {interval(proportion(right, len(labels)))}")
    print(f"  {'':12} false negatives {interval(proportion(missed, positives))}")
    print(f"  {'':12} false positives {interval(proportion(passed, len(labels) - positives))}")


async def compared(title: str, pairs: list[Row]) -> None:
    """In this process, in turn; what would hang is kept out by the choice of pairs."""
    ours: list[tuple[bool, float]] = []
    alone: list[tuple[bool, float]] = []
    for number, row in enumerate(pairs):
        order = [(ours, equal), (alone, math_verify_alone)]
        for into, grader in order if number % 2 else reversed(order):
            into.append(timed(grader, row["gold"], row["pred"]))
    final = make_verifier(VerifierSpec("answer"))
    plain = [await final.same(row["gold"], row["pred"]) for row in pairs]
    labels = [bool(row["equal"]) for row in pairs]
    print(f"{title}:")
    told("math", [same for same, _ in ours], labels)
    told("math-verify", [same for same, _ in alone], labels)
    told("answer", plain, labels)
    for name, spent in (("math", ours), ("math-verify", alone)):
        seconds = [cost for _, cost in spent]
        print(
            f"  {name:12} {len(seconds) / sum(seconds):6.0f} answers/s of CPU, "
            f"median {statistics.median(seconds) * 1e3:.2f} ms, slowest {max(seconds):.2f} s"
        )


async def through_workers(pairs: list[Row]) -> None:
    """As verifiers run: a process, its pipe, and one pair at a time."""
    async with Workers("perpend.verifiers.math_equal", count=1) as workers:
        await workers.check("1", "1")
        began = time.monotonic()
        for row in pairs:
            await workers.check(row["gold"], row["pred"])
        spent = time.monotonic() - began
    print(f"one worker, wall clock: {len(pairs) / spent:.0f} answers/s, {workers.killed} timed out")


async def sums() -> None:
    solutions = [
        (bool(one["is_correct"]), one["text"])
        for row in rows("outcomes/gsm8k_model_solutions.jsonl")
        for one in row["solutions"]
    ]
    maths = [
        pair
        for row in rows("outcomes/bon_math100_x8_rm.jsonl")
        for pair in zip(row["correct"], row["responses"], strict=True)
    ]
    verifier = make_verifier(VerifierSpec("numbers"))
    for title, labelled in (("GSM8K, five systems", solutions), ("MATH, eight samples", maths)):
        began = time.process_time()
        flagged = [
            (label, not (await verifier.verify(Task(), Candidate(answer=text))).passed)
            for label, text in labelled
        ]
        spent = time.process_time() - began
        right = [flag for label, flag in flagged if label]
        wrong = [flag for label, flag in flagged if not label]
        print(f"numbers, {title}: {len(labelled) / spent:.0f} solutions/s of CPU")
        print(f"  flags {interval(proportion(sum(right), len(right)))} of the right solutions")
        print(f"  flags {interval(proportion(sum(wrong), len(wrong)))} of the wrong ones")


async def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--limit", type=int, default=600, help="pairs of model runs")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # math-verify says each time that nobody keeps time
    print(machine.one_line())
    cases = rows("grading/grader_cases.jsonl")
    pairs = random.Random(given.seed).sample(rows("grading/grader_model_pairs.jsonl"), given.limit)
    await compared("graders' own cases", cases)
    await compared("pairs of model runs", pairs)
    await through_workers(cases)
    await sums()


if __name__ == "__main__":
    asyncio.run(main())
