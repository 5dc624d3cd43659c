"""How often the README's first command is answered rightly by the default model, each run with a seed of its own.

    python -m benchmarks.first_command --runs 40 --out out

The command is read from README.md, and asked through the product's own session, as `perpend ask` does; `--command`
tries another. Rows are kept in OUT/first_command.jsonl. A run counts as right where the last number of its answer is
the right one; where a run thinks more than its budget, the benchmark fails.
"""

import argparse
import asyncio
import json
import random
import re
import shlex
from pathlib import Path
from typing import Any

from benchmarks import machine
from perpend.config import load_config
from perpend.runtime import Runtime
from perpend.statistics import proportion
from perpend.types import Limits, Message, Request, Sampling, StrategySpec

README = Path(__file__).parents[1] / "README.md"
RIGHT = 84
Row = dict[str, Any]


def parsed(command: str) -> argparse.Namespace:
    """What a `perpend ask` asks for, of its options those that the README uses."""
    words = argparse.ArgumentParser()
    words.add_argument("perpend")
    words.add_argument("ask")
    words.add_argument("question")
    words.add_argument("--model")
    words.add_argument("--max-thinking-tokens", type=int)
    words.add_argument("--strategy", default="single")
    words.add_argument("--temperature", type=float)
    return words.parse_args(shlex.split(command))


def request(asked: argparse.Namespace, seed: int) -> Request:
    spec = json.loads(asked.strategy) if asked.strategy.startswith("{") else {"name": asked.strategy}
    return Request(
        messages=(Message("user", asked.question),),
        model=asked.model,
        limits=Limits(max_thinking_tokens=asked.max_thinking_tokens),
        sampling=Sampling(seed=seed, temperature=asked.temperature),
        strategy=StrategySpec(spec.pop("name"), spec),
    )


async def run(command: str, options: argparse.Namespace) -> list[Row]:
    asked, gate, rows = parsed(command), asyncio.Semaphore(options.at_once), list[Row]()
    seeds = random.SystemRandom()
    async with await Runtime.open(load_config()) as runtime:
        await runtime.prepare(asked.model)

        async def one() -> None:
            seed = seeds.randrange(1 << 31)
            async with gate:
                answer = await runtime.solve(request(asked, seed), source="benchmark")
            if answer.usage.thinking > asked.max_thinking_tokens:
                raise SystemExit(f"thought {answer.usage.thinking} tokens of {asked.max_thinking_tokens}")
            numbers = re.findall(r"-?\d+(?:\.\d+)?", answer.text.replace(",", ""))
            row = {"command": command, "seed": seed, "right": bool(numbers) and float(numbers[-1]) == RIGHT}
            row |= {"thinking": answer.usage.thinking, "tokens": answer.usage.output, "text": answer.text}
            rows.append({**row, "thought": answer.thinking})
            with (options.out / "first_command.jsonl").open("a") as file:
                file.write(json.dumps(rows[-1], ensure_ascii=False) + "\n")
            print(f"\r{len(rows)}/{options.runs}  ", end="", flush=True)

        await asyncio.gather(*(one() for _ in range(options.runs)))
    print()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    first = next(line for line in README.read_text().splitlines() if line.startswith("./perpend ask "))
    parser.add_argument("--command", default=first)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = asyncio.run(run(options.command, options))
    rate = proportion(sum(row["right"] for row in rows), len(rows))
    most = max(row["thinking"] for row in rows)
    print(machine.one_line())
    print(options.command)
    print(f"right in {rate.right} of {rate.n} runs  {rate.estimate:.3f} [{rate.low:.3f}, {rate.high:.3f}]")
    print(f"thinking tokens: mean {sum(row['thinking'] for row in rows) / len(rows):.0f}, at most {most}")


main()
