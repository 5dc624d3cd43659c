"""What thinking buys on the tiny reasoner, through the product's own session on the embedded engine.

    python -m benchmarks.tiny_curves --problems 150 --voted 60 --out out/curves

Budget curve, majority vote, best of N with the verifier, a second look (`wait`), and one long thought against several
short ones at equal tokens. Fresh problems, temperature 1. Answers are kept in OUT/answers.jsonl: a run that was stopped
goes on where it was. Ends in tables and PNGs (extra `bench`). `--gguf` takes other weights of the same family.
"""

import argparse
import asyncio
import hashlib
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from benchmarks import machine
from benchmarks.tiny_figures import Answers, Ask, Row, report
from perpend.config.schema import Config, EngineConfig, ModelConfig
from perpend.data.tasks import TaskProblem, fresh, kinds
from perpend.runtime import Runtime
from perpend.types import Limits, Message, Request, Sampling, StrategySpec

MODEL = "tiny"
BUDGETS = (0, 8, 16, 32, 64, 128, 224)
MOST = BUDGETS[-1]
VOTES = 16
TOKENS = 128
"""Thinking tokens of a problem where one long thought is compared with several short ones."""


class Todo(NamedTuple):
    problem: TaskProblem
    ask: Ask


def wanted(problems: list[TaskProblem], voted: list[TaskProblem]) -> list[Todo]:
    """Every answer that the figures need, each once."""
    asks: dict[Todo, None] = {}
    for problem in problems:
        for budget in BUDGETS:
            asks[Todo(problem, Ask(budget, 0, 0))] = None
        for waits in (1, 2):
            asks[Todo(problem, Ask(MOST, waits, 0))] = None
    for problem in voted:
        for sample in range(VOTES):
            asks[Todo(problem, Ask(MOST, 0, sample))] = None
        for parts in (1, 2, 4, 8):
            for sample in range(parts):
                asks[Todo(problem, Ask(TOKENS // parts, 0, sample))] = None
    return list(asks)


def seed_of(seed: int, text: str, sample: int) -> int:
    """Its own for each problem: with one for all, every problem would meet the same luck at its first token."""
    return int.from_bytes(hashlib.sha256(f"{seed} {sample} {text}".encode()).digest()[:4])


async def answer(runtime: Runtime, todo: Todo, seed: int) -> Row:
    problem, ask = todo
    strategy = StrategySpec("budget_forcing", {"waits": ask.waits}) if ask.waits else StrategySpec()
    request = Request(
        messages=(Message("user", problem.text),),
        model=MODEL,
        limits=Limits(max_thinking_tokens=ask.budget),
        sampling=Sampling(temperature=1.0, seed=seed_of(seed, problem.text, ask.sample)),
        strategy=strategy,
    )
    found = await runtime.solve(request, source="benchmark")
    if found.usage.thinking > ask.budget:
        raise SystemExit(f"{problem.text}: thought {found.usage.thinking} tokens of {ask.budget}")
    text = found.text.strip()
    return Row(
        problem.kind,
        problem.text,
        ask,
        text,
        problem.solved_by(text),
        found.usage.thinking,
        found.usage.answer,
    )


async def gather(runtime: Runtime, todo: list[Todo], log: Path, seed: int, at_once: int) -> Answers:
    answers = Answers.read(log)
    missing = [one for one in todo if (one.problem.text, one.ask) not in answers.rows]
    gate, began, made = asyncio.Semaphore(at_once), time.monotonic(), 0

    async def one(todo: Todo) -> None:
        nonlocal made
        async with gate:
            row = await answer(runtime, todo, seed)
        answers.add(row)
        file.write(msgspec.json.encode(row).decode() + "\n")
        made += 1
        if made % 500 == 0:
            eta = (time.monotonic() - began) / made * (len(missing) - made)
            print(f"{made}/{len(missing)}  ETA {eta:.0f} s", flush=True)

    with log.open("a") as file:
        await asyncio.gather(*(one(todo) for todo in missing))
    return answers


async def speed(runtime: Runtime, problems: list[TaskProblem], at_once: int) -> float:
    """Output tokens a second over whole requests, thinking and answer, `at_once` in flight."""
    gate = asyncio.Semaphore(at_once)

    async def one(problem: TaskProblem) -> int:
        async with gate:
            row = await answer(runtime, Todo(problem, Ask(MOST, 0, 0)), seed=5)
        return row.thinking + row.answer_tokens

    await one(problems[0])  # the first one waits for the engine
    began = time.monotonic()
    tokens = await asyncio.gather(*(one(problem) for problem in problems))
    return sum(tokens) / (time.monotonic() - began)


async def run(options: argparse.Namespace) -> None:
    problems = [p for kind in kinds.names() for p in fresh(options.seed, kind, options.problems)]
    voted = [
        p for kind in kinds.names() for p in fresh(options.seed, kind, options.problems)[: options.voted]
    ]
    own = {MODEL: ModelConfig(gguf=options.gguf, family="tiny", context=512)} if options.gguf else {}
    with TemporaryDirectory() as home:
        config = Config(home=Path(home), engine=EngineConfig(slots=16), models=own)
        async with await Runtime.open(config) as runtime:
            await runtime.prepare(MODEL)
            alone = await speed(runtime, problems[:: max(1, len(problems) // 100)], 1)
            many = await speed(runtime, problems[:: max(1, len(problems) // 400)], 16)
            todo = wanted(problems, voted)
            answers = await gather(
                runtime, todo, options.out / "answers.jsonl", options.seed, options.at_once
            )
    print(machine.one_line())
    print(f"through the session: {alone:.0f} tokens/s alone, {many:.0f} with 16 at once")
    names = {problem.text for problem in voted}
    figures = report(answers, [p.text for p in problems], sorted(names), options.out)
    figures["tokens_per_s"] = {"alone": alone, "16 at once": many}
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=150, help="of each kind")
    parser.add_argument("--voted", type=int, default=60, help="of each kind, answered many times")
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/curves"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
