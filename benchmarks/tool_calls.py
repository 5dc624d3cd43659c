"""Tools that a model may call: how often it calls the right one where one is needed, and none where none is.

    python -m benchmarks.tool_calls --model qwen2.5-coder-1.5b --out out

Questions of our own (benchmarks/tool_questions.toml), all eight tools offered each time, `tool_choice: auto`. A call
counts where its name is the tool that the question needs and its arguments fit that tool's schema. `--set tune` is for
looking at what a model writes; rates are told of `--set report`. Rows are kept in OUT/tool_calls_MODEL_SET.jsonl,
answers and thoughts with them: a run that was stopped goes on where it was. Needs the extra `schema`.
"""

import argparse
import asyncio
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema

from benchmarks import machine
from perpend.config import load_config
from perpend.runtime import Runtime
from perpend.statistics import proportion
from perpend.types import Answer, Limits, Message, OutputSpec, Request, Sampling, Tool

QUESTIONS = Path(__file__).with_name("tool_questions.toml")
Row = dict[str, Any]
_CALL, _REPLY = 128, 32
"""Tokens after which an answer is cut. Where no call is needed, one that comes has begun by then."""


def fits(answer: Answer, needed: str, schema: dict[str, Any]) -> bool:
    """One of its calls is of the needed tool, and all of those fit its schema."""
    called = [call.arguments for call in answer.tool_calls if call.name == needed]
    try:
        for arguments in called:
            jsonschema.validate(json.loads(arguments), schema)
    except (ValueError, jsonschema.ValidationError):
        return False
    return bool(called)


async def run(options: argparse.Namespace) -> list[Row]:
    asked = tomllib.loads(QUESTIONS.read_text(encoding="utf-8"))
    tools = {tool["name"]: Tool(**tool) for tool in asked["tools"]}
    rows = asked[options.set]
    questions = [(question, name) for name, group in rows["needed"].items() for question in group]
    questions += [(question, "") for question in rows["silent"]]
    log = options.out / f"tool_calls_{options.model}_{options.set}.jsonl"
    done: list[Row] = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    known = {row["question"] for row in done}
    gate = asyncio.Semaphore(options.at_once)
    async with await Runtime.open(load_config()) as runtime:
        await runtime.prepare(options.model)

        async def one(question: str, needed: str) -> None:
            request = Request(
                messages=(Message("user", question),),
                model=options.model,
                effort=options.effort,
                output_spec=OutputSpec(tools=tuple(tools.values())),
                limits=Limits(max_output_tokens=_CALL if needed else _REPLY),
                sampling=Sampling(seed=options.seed),
            )
            async with gate:
                answer = await runtime.solve(request, source="benchmark")
            calls = [{"name": call.name, "arguments": call.arguments} for call in answer.tool_calls]
            right = fits(answer, needed, tools[needed].parameters) if needed else not calls
            row = {"question": question, "needed": needed, "right": right, "calls": calls}
            row |= {"answer": answer.text, "thinking": answer.thinking, "stop": answer.stop_reason}
            done.append(row)
            with log.open("a") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            print(f"\r{len(done)}/{len(questions)}  ", end="", flush=True)

        await asyncio.gather(*(one(*question) for question in questions if question[0] not in known))
    print()
    return done


def report(rows: list[Row]) -> None:
    print(machine.one_line())
    for what, group in (
        ("fires when needed, right tool and arguments", [row for row in rows if row["needed"]]),
        (
            "fires when needed, any tool",
            [row | {"right": bool(row["calls"])} for row in rows if row["needed"]],
        ),
        ("silent when not", [row for row in rows if not row["needed"]]),
    ):
        rate = proportion(sum(row["right"] for row in group), len(group))
        print(f"{what:44} {rate.right:2} of {rate.n}  {rate.estimate:.2f} [{rate.low:.2f}, {rate.high:.2f}]")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--set", choices=("tune", "report"), default="report")
    parser.add_argument("--effort", default="none", help="to think before the answer")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    report(asyncio.run(run(options)))


main()
