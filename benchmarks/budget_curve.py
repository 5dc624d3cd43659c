"""Accuracy against thinking budget: GSM8K through the product's own session, on the embedded model.

    python -m benchmarks.budget_curve --problems 60 --budgets 0,32,64,128,256 --out out

Needs ../shared/data/evals/gsm8k_test.jsonl beside the checkout. Rows are kept in OUT/budget_curve.jsonl: a run
that was stopped goes on where it was. Greedy, fixed seed. Ends with a table and OUT/budget_curve.png (extra `bench`).
"""

import argparse
import asyncio
import importlib.util
import json
import random
import re
import time
from pathlib import Path
from typing import Any

from benchmarks import machine
from perpend.config import load_config
from perpend.extras import install
from perpend.runtime import Runtime
from perpend.statistics import mcnemar, proportion
from perpend.types import Limits, Message, Request, Sampling

DATA = Path(__file__).parents[2] / "shared" / "data" / "evals" / "gsm8k_test.jsonl"
Row = dict[str, Any]


def last_number(text: str) -> str | None:
    """The last number of a text, without commas and trailing zeros."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return f"{float(found[-1].replace(',', '')):g}" if found else None


async def ask(runtime: Runtime, problem: Row, budget: int, options: argparse.Namespace) -> Row:
    request = Request(
        messages=(Message("user", f"{problem['question']}\nReply with the final number only."),),
        model=options.model,
        limits=Limits(max_thinking_tokens=budget, max_output_tokens=budget + options.answer_tokens),
        sampling=Sampling(temperature=0.0, seed=options.seed),
    )
    answer = await runtime.solve(request, source="benchmark")
    if answer.usage.thinking > budget:
        raise SystemExit(f"{problem['id']}: thought {answer.usage.thinking} tokens of {budget}")
    gold = last_number(str(problem["answer"]))
    return {
        "id": problem["id"],
        "budget": budget,
        "right": last_number(answer.text) == gold,
        "thinking": answer.usage.thinking,
        "answer": answer.usage.answer,
        "seconds": answer.elapsed_s,
    }


async def run(options: argparse.Namespace) -> list[Row]:
    with DATA.open(encoding="utf-8") as lines:
        problems = random.Random(options.seed).sample([json.loads(line) for line in lines], options.problems)
    log = options.out / "budget_curve.jsonl"
    rows: list[Row] = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(row["id"], row["budget"]) for row in rows}
    todo = [(p, b) for b in options.budgets for p in problems if (p["id"], b) not in done]
    gate, began = asyncio.Semaphore(options.at_once), time.monotonic()
    async with await Runtime.open(load_config()) as runtime:
        await runtime.prepare(options.model)

        async def one(problem: Row, budget: int) -> None:
            async with gate:
                row = await ask(runtime, problem, budget, options)
            rows.append(row)
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            made = len(rows) - len(done)
            eta = (time.monotonic() - began) / made * (len(todo) - made)
            print(f"\r{made}/{len(todo)}  ETA {eta:.0f} s  ", end="", flush=True)

        await asyncio.gather(*(one(problem, budget) for problem, budget in todo))
    print()
    wanted = {p["id"] for p in problems}
    return [row for row in rows if row["id"] in wanted and row["budget"] in options.budgets]


def report(rows: list[Row], options: argparse.Namespace) -> list[Row]:
    print(machine.one_line())
    print("budget   n  accuracy  95 % interval   thinking mean / max   answer mean / cut   s/problem")
    table: list[Row] = []
    for budget in options.budgets:
        group = [row for row in rows if row["budget"] == budget]
        n, right = len(group), sum(row["right"] for row in group)
        if not n:
            continue
        share = proportion(right, n)
        low, high = share.low, share.high
        mean = {key: sum(row[key] for row in group) / n for key in ("thinking", "answer", "seconds")}
        cut = sum(row["answer"] >= options.answer_tokens for row in group) / n
        most = max(row["thinking"] for row in group)
        print(
            f"{budget:6} {n:3}     {right / n:.3f}  {low:.3f} to {high:.3f}  {mean['thinking']:12.1f} / {most:4}"
            f"  {mean['answer']:12.1f} / {cut:3.0%}  {mean['seconds']:10.1f}"
        )
        table.append({"budget": budget, "accuracy": right / n, "low": low, "high": high, "n": n})
    verdicts = {(row["id"], row["budget"]): row["right"] for row in rows}
    first, last = options.budgets[0], options.budgets[-1]
    pairs = [(verdicts.get((i, first)), verdicts.get((i, last))) for i in {row["id"] for row in rows}]
    better, worse = pairs.count((False, True)), pairs.count((True, False))
    print(
        f"{last} against {first}: {better} better, {worse} worse, exact McNemar p = {mcnemar(better, worse):.4g}"
    )
    return table


def plot(table: list[Row], model: str, path: Path) -> None:
    import vl_convert

    x = {"field": "budget", "type": "quantitative", "title": "thinking budget (tokens)"}
    y = {"type": "quantitative", "title": "accuracy, 95 % interval"}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": table},
        "width": 480,
        "height": 320,
        "title": {
            "text": "Accuracy by thinking budget",
            "subtitle": f"GSM8K test, {table[0]['n']} problems, {model}, greedy",
        },
        "layer": [
            {"mark": "line", "encoding": {"x": x, "y": {**y, "field": "accuracy"}}},
            {
                "mark": {"type": "point", "filled": True},
                "encoding": {"x": x, "y": {**y, "field": "accuracy"}},
            },
            {"mark": "rule", "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
        ],
    }
    path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument(
        "--budgets", type=lambda text: [int(b) for b in text.split(",")], default=[0, 32, 64, 128, 256]
    )
    parser.add_argument("--answer-tokens", type=int, default=48)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()
    if importlib.util.find_spec("vl_convert") is None:  # said now, not after an hour
        raise SystemExit(f"the plot needs vl-convert-python: {install('perpend[bench]')}")
    options.out.mkdir(parents=True, exist_ok=True)
    table = report(asyncio.run(run(options)), options)
    plot(table, options.model, options.out / "budget_curve.png")


main()
