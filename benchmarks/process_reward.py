"""Step scores of an embedded model against PRMBench's labels (arXiv:2501.03124): does it find the wrong step?

    python -m benchmarks.process_reward --model qwen2.5-coder-1.5b --limit 40 --out out

Needs ../shared/data/grading/prmbench_steps.jsonl beside the checkout. Each problem has a solution with errors put into
it, with their places, and the solution that it was made from; both are scored by the verifier `process_reward`. Rows
are kept in OUT/process_reward_MODEL.jsonl: a run that was stopped goes on where it was. Intervals are percentile
bootstraps over problems, as steps of one problem aren't independent.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from perpend.config import load_config
from perpend.runtime import Runtime
from perpend.solve.auxiliary_call import AuxiliaryCalls
from perpend.verifiers import Task
from perpend.verifiers.agreement import auc
from perpend.verifiers.process_reward import ProcessReward, aggregate_rewards

DATA = Path(__file__).parents[2] / "shared" / "data" / "grading" / "prmbench_steps.jsonl"
RESAMPLES = 1000
MOST_STEPS = 15
Row = dict[str, Any]


def problems(limit: int, seed: int) -> list[Row]:
    with DATA.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    usable = [row for row in rows if row["error_steps"] and 3 <= len(row["steps"]) <= MOST_STEPS]
    return random.Random(seed).sample(usable, limit)


async def scored(verifier: ProcessReward, model: AuxiliaryCalls, problem: Row) -> Row:
    task = Task(question=problem["question"], model=model)
    before, began = model.outcome.scope.usage, time.monotonic()
    rewards = await verifier.rewards(task, problem["steps"])
    original = await verifier.rewards(task, problem["orig_steps"])
    used = model.outcome.scope.usage
    return {
        "id": problem["id"],
        "rewards": rewards,
        "original": original,
        "error_steps": problem["error_steps"],
        "seconds": time.monotonic() - began,
        "input": used.input - before.input,
        "cached": used.cached - before.cached,
    }


async def run(options: argparse.Namespace, log: Path, done: set[str]) -> None:
    todo = [row for row in problems(options.limit, options.seed) if row["id"] not in done]
    async with await Runtime.open(load_config()) as runtime:
        await runtime.prepare(options.model)
        async with runtime.asking(options.model, "benchmark") as model:
            for problem in todo:
                row = await scored(ProcessReward(), model, problem)
                with log.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def kept(log: Path) -> list[Row]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def steps_auc(rows: Sequence[Row]) -> float:
    """Every step of the solutions with errors, right against wrong."""
    wrong = [row["rewards"][at - 1] for row in rows for at in row["error_steps"]]
    right = [
        reward for row in rows for at, reward in enumerate(row["rewards"], 1) if at not in row["error_steps"]
    ]
    return auc(right, wrong) or 0.0


def first_errors_auc(rows: Sequence[Row]) -> float:
    """The first wrong step against those before it: later ones follow from it, or don't."""
    firsts = [(row, min(row["error_steps"]) - 1) for row in rows]
    wrong = [row["rewards"][at] for row, at in firsts]
    return auc([reward for row, at in firsts for reward in row["rewards"][:at]], wrong) or 0.0


def balanced(rows: Sequence[Row]) -> float:
    """Accuracy at 0.5, right and wrong steps weighing the same."""
    flags = [
        (reward < 0.5, at in row["error_steps"])
        for row in rows
        for at, reward in enumerate(row["rewards"], 1)
    ]
    found = [flag for flag, wrong in flags if wrong]
    spared = [not flag for flag, wrong in flags if not wrong]
    return (sum(found) / len(found) + sum(spared) / len(spared)) / 2


def preferred(how: Any) -> Callable[[Sequence[Row]], float]:
    """How often the solution without errors has the higher score than the one with them; ties count half."""

    def share(rows: Sequence[Row]) -> float:
        ahead = 0.0
        for row in rows:
            one, other = aggregate_rewards(row["original"], how), aggregate_rewards(row["rewards"], how)
            ahead += (one > other) + (one == other) / 2
        return ahead / len(rows)

    return share


def with_interval(rows: list[Row], figure: Callable[[Sequence[Row]], float]) -> str:
    rng = random.Random(0)
    drawn = sorted(figure(rng.choices(rows, k=len(rows))) for _ in range(RESAMPLES))
    return f"{figure(rows):.3f} ({drawn[int(0.025 * RESAMPLES)]:.3f} to {drawn[int(0.975 * RESAMPLES)]:.3f})"


def report(options: argparse.Namespace, rows: list[Row]) -> None:
    calls = sum(len(row["rewards"]) + len(row["original"]) for row in rows)
    print(machine.one_line())
    print(f"{options.model}, seed {options.seed}: {len(rows)} problems, {calls} steps weighed")
    print(f"  wrong steps, AUC                 {with_interval(rows, steps_auc)}")
    print(f"  first wrong step, AUC            {with_interval(rows, first_errors_auc)}")
    print(f"  balanced accuracy at 0.5         {with_interval(rows, balanced)}")
    for how in ("min", "product", "last", "mean"):
        print(f"  prefers the right one, {how:9} {with_interval(rows, preferred(how))}")
    seconds, given = sum(row["seconds"] for row in rows), sum(row["input"] for row in rows)
    cached = sum(row["cached"] for row in rows)
    print(
        f"  {seconds / calls:.2f} s a step; {given / calls:.0f} prompt tokens, {cached / given:.0%} of them cached"
    )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", default="qwen2.5-coder-1.5b")
    options.add_argument("--limit", type=int, default=40)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, default=Path("out"))
    given = options.parse_args()
    given.out.mkdir(exist_ok=True)
    log: Path = given.out / f"process_reward_{given.model}.jsonl"
    asyncio.run(run(given, log, {row["id"] for row in kept(log)}))
    report(given, kept(log))


if __name__ == "__main__":
    main()
