"""Strategies at equal compute: the same total of output tokens for each, whoever spends them on what.

    python -m benchmarks.equal_compute tiny --problems 60 --budgets 64,128,256,512
    python -m benchmarks.equal_compute gsm8k --model qwen2.5-coder-0.5b --problems 24 --budgets 256,512,1024

A budget bounds everything that a request generates: thoughts, answers, steps that were dropped, judges' words.
Rows are kept in OUT/SUITE.jsonl: a run that was stopped goes on where it was. Ends with a table, paired tests against
`single` at the same budget, the knee of each strategy, and OUT/SUITE.png (extra `bench`). Sampled, with a seed for each
problem.
"""

import argparse
import asyncio
import hashlib
import time
from pathlib import Path

import msgspec

from benchmarks import machine
from benchmarks.equal_compute_figures import Row, plot, table
from benchmarks.equal_compute_suites import Problem, suites
from perpend.config import load_config
from perpend.config.schema import Config, EngineConfig
from perpend.runtime import Runtime
from perpend.strategies import strategy_spec
from perpend.types import Limits, Message, Request, Sampling
from perpend.verifiers import verifier_spec

STRATEGIES: dict[str, dict[str, object]] = {
    "single": {"name": "single"},
    "budget_forcing": {"name": "budget_forcing", "waits": 8},
    "self_consistency 4": {"name": "self_consistency", "n": 4},
    "self_consistency 8": {"name": "self_consistency", "n": 8},
    "best_of_n 4, self-score": {"name": "best_of_n", "n": 4, "verifier": "self_score"},
    "best_of_n 4, steps scored": {"name": "best_of_n", "n": 4, "verifier": "process_reward"},
    "best_of_n 8, judge": {"name": "best_of_n", "n": 8, "verifier": "judge"},
    "best_of_n 4, pairwise": {"name": "best_of_n", "n": 4, "pairwise": True, "verifier": "judge"},
    "beam 2×4": {"name": "beam", "verifier": "self_score", "width": 2, "expand": 4},
    "tree": {"name": "tree", "verifier": "self_score"},
    "refine, numbers checked": {"name": "refine", "verifier": "numbers"},
}
"""By label. Where a suite's answers can be checked without knowing the right one, it adds its own."""
_LINE = msgspec.json.Encoder()


def seed_of(seed: int, problem: str) -> int:
    """Its own for each problem; every strategy meets the same luck."""
    return int.from_bytes(hashlib.sha256(f"{seed} {problem}".encode()).digest()[:3])


async def solved(
    runtime: Runtime, problem: Problem, label: str, budget: int, options: argparse.Namespace
) -> Row:
    spec = {**STRATEGIES, **suites[options.suite].checked}[label]
    request = Request(
        messages=(Message("user", problem.prompt),),
        model=options.model,
        limits=Limits(max_thinking_tokens=budget, max_output_tokens=budget),
        sampling=Sampling(temperature=options.temperature, seed=seed_of(options.seed, problem.id)),
        strategy=strategy_spec(spec),
        verifier=None if problem.shown is None else verifier_spec(problem.shown),
    )
    answer = await runtime.solve(request, source="benchmark")
    if answer.usage.output > budget:
        raise SystemExit(f"{label} at {budget}: generated {answer.usage.output} tokens")
    return Row(
        id=problem.id,
        strategy=label,
        budget=budget,
        right=await problem.grade(answer.text),
        thinking=answer.usage.thinking,
        output=answer.usage.output,
        input=answer.usage.input,
        cached=answer.usage.cached,
        candidates=len(answer.candidates),
        truncated=answer.truncated,
        seconds=answer.elapsed_s,
    )


async def run(options: argparse.Namespace) -> list[Row]:
    suite = suites[options.suite]
    problems = suite.load(options.problems, options.seed)
    labels = [name for name in [*STRATEGIES, *suite.checked] if not options.only or name in options.only]
    log = options.out / f"{options.suite}.jsonl"
    lines = log.read_bytes() if log.exists() else b""
    rows = [msgspec.json.decode(line, type=Row) for line in lines.splitlines()]
    done = {(row.id, row.strategy, row.budget) for row in rows}
    # problems outermost: a run that is stopped has the same problems for every strategy, but for the last one's
    todo = [
        (problem, label, budget)
        for problem in problems
        for budget in options.budgets
        for label in labels
        if (problem.id, label, budget) not in done
    ]
    gate, began, made = asyncio.Semaphore(options.at_once), time.monotonic(), 0
    config = load_config() if options.slots is None else Config(engine=EngineConfig(slots=options.slots))
    async with await Runtime.open(config) as runtime:
        await runtime.prepare(options.model)

        async def one(problem: Problem, label: str, budget: int) -> None:
            nonlocal made
            async with gate:
                row = await solved(runtime, problem, label, budget, options)
            rows.append(row)
            file.write(_LINE.encode(row) + b"\n")
            file.flush()
            made += 1
            if made % options.tell == 0:
                eta = (time.monotonic() - began) / made * (len(todo) - made)
                print(f"{made}/{len(todo)}  ETA {eta / 60:.0f} min", flush=True)

        with log.open("ab") as file:
            await asyncio.gather(*(one(*each) for each in todo))
    wanted = {problem.id for problem in problems}
    return [
        row for row in rows if row.id in wanted and row.budget in options.budgets and row.strategy in labels
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", choices=sorted(suites))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--problems", type=int, default=24)
    parser.add_argument(
        "--budgets", type=lambda text: [int(b) for b in text.split(",")], default=[256, 512, 1024]
    )
    parser.add_argument("--only", nargs="*", help="labels of strategies")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--slots", type=int, help="of the engine")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tell", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("out/equal_compute"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = asyncio.run(run(options))
    print(machine.one_line())
    print(
        f"{suites[options.suite].title}, {options.model}, temperature {options.temperature:g}, seed {options.seed}"
    )
    print(table(rows))
    plot(rows, f"{suites[options.suite].title}, {options.model}", options.out / f"{options.suite}.png")


if __name__ == "__main__":
    main()
