"""Real engines behind the gateway's session: budgets, prefix continuation, forms, counts, streams, death.

    benchmarks/vllm_setup.sh /tmp/vllm
    python -m benchmarks.engines_live vllm /tmp/vllm/bin/vllm
    python -m benchmarks.engines_live transformers ENVIRONMENT/bin/transformers      # transformers[serving], torch
    python -m benchmarks.engines_live llama-cpp-python ENVIRONMENT/bin/python        # llama-cpp-python[server]
    python -m benchmarks.engines_live llama-server ENVIRONMENT/bin/llama-server

Each serves the tiny reasoner's own weights on the CPU. Prints a line for each thing that was tried.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from msgspec.structs import replace

from benchmarks import machine
from benchmarks.engines import ENGINES, Engine, serving, weights
from benchmarks.load.processes import Running
from perpend.config.schema import Config, ModelConfig, PriceConfig, ProviderConfig
from perpend.data.tasks import TaskProblem, fresh, kinds
from perpend.errors import PerpendError
from perpend.runtime import Runtime
from perpend.types import (
    Answer,
    AnswerDelta,
    Event,
    ForcedTool,
    Limits,
    Message,
    OutputFormat,
    OutputSpec,
    Request,
    Sampling,
    ThinkingDelta,
    Tool,
)

CHAT, RAW = "chat", "raw"
BUDGETS = (0, 1, 16, 64)


def request(problem: TaskProblem, model: str, budget: int) -> Request:
    return Request(
        messages=(Message("user", problem.text),),
        model=model,
        limits=Limits(max_thinking_tokens=budget),
        sampling=Sampling(temperature=1.0, seed=zlib.crc32(problem.text.encode())),
    )


async def budgets(runtime: Runtime, problems: list[TaskProblem]) -> None:
    print("\nwire     budget  accuracy  thinking mean / most   overshot   s/problem")
    for model in runtime.config.models:
        for budget in BUDGETS:
            began = time.monotonic()
            answers = await asyncio.gather(*(runtime.solve(request(p, model, budget)) for p in problems))
            seconds = (time.monotonic() - began) / len(problems)
            used = [answer.usage.thinking for answer in answers]
            right = sum(p.solved_by(a.text) for p, a in zip(problems, answers, strict=True))
            over = sum(count > budget for count in used)
            print(
                f"{model:8} {budget:6}  {right / len(problems):8.3f}  {statistics.mean(used):10.1f} / {max(used):4}"
                f"   {over:3} of {len(used)}  {seconds:9.3f}"
            )


async def streams(runtime: Runtime, problems: list[TaskProblem]) -> None:
    """Several at once: each says piece by piece what its answer says."""

    async def ask(problem: TaskProblem) -> tuple[Answer, list[str], str]:
        thoughts: list[str] = []
        texts: list[str] = []

        async def sink(batch: list[Event]) -> None:
            thoughts.extend(event.text for event in batch if isinstance(event, ThinkingDelta))
            texts.extend(event.text for event in batch if isinstance(event, AnswerDelta))

        return await runtime.solve(request(problem, CHAT, 64), sink), thoughts, "".join(texts)

    await ask(problems[0])  # which teaches how the server tells thinking from text
    began = time.monotonic()
    asked = await asyncio.gather(*map(ask, problems[:16]))
    seconds = time.monotonic() - began
    tokens = sum(answer.usage.output for answer, _, _ in asked)
    pieces = sum(len(thoughts) for _, thoughts, _ in asked)
    same = sum(
        ("".join(thoughts), text) == (answer.thinking, answer.text) for answer, thoughts, text in asked
    )
    print(
        f"\n16 streams at once: {tokens} tokens in {seconds:.1f} s, {pieces} pieces of thinking; "
        f"streamed equals whole in {same} of 16"
    )


async def forms(runtime: Runtime, problem: TaskProblem) -> None:
    """A schema and a forced call, bound only once the thought is closed."""
    schema = {
        "type": "object",
        "properties": {"n": {"enum": list(range(10))}},
        "required": ["n"],
        "additionalProperties": False,
    }
    add = Tool(name="add", description="Adds.", parameters=schema)
    for model, output_spec in (
        (CHAT, OutputSpec(output=OutputFormat(schema=schema))),
        (RAW, OutputSpec(output=OutputFormat(schema=schema))),
        (CHAT, OutputSpec(tools=(add,), tool_choice=ForcedTool("add"))),
    ):
        if model not in runtime.config.models:
            continue
        try:
            answer = await runtime.solve(replace(request(problem, model, 64), output_spec=output_spec))
        except PerpendError as error:
            print(f"{model}: {error.code}: {error.message}")
            continue
        calls = [(call.name, call.arguments) for call in answer.tool_calls]
        said = answer.text.strip() or calls
        print(f"{model}: {answer.usage.thinking} thinking tokens, then {said} ({answer.stop_reason})")


async def counts(port: int, model: str, problem: TaskProblem) -> None:
    """What the engine itself says of its thinking, and of its load."""
    body = {"model": model, "messages": [{"role": "user", "content": problem.text}], "max_tokens": 200}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as response:
            said = await response.json()
        async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
            text = await response.text() if response.status == 200 else ""
    message = said["choices"][0]["message"]
    fields = [name for name in ("reasoning", "reasoning_content") if message.get(name)]
    tag = "a close tag" if "</think>" in (message["content"] or "") else "no tag"
    print(
        f"\nits own usage: {json.dumps(said['usage'])}; thinking in {fields or 'no field'}, {tag} in the text"
    )
    for name in re.findall(
        r"^\S+(?:requests_running|requests_waiting|requests_processing|cache_usage_perc)", text, re.M
    ):
        print(name)


async def death(runtime: Runtime, server: Running, problem: TaskProblem) -> Answer:
    async def sink(batch: list[Event]) -> None:
        if any(isinstance(event, ThinkingDelta) for event in batch) and server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)

    return await runtime.solve(request(problem, CHAT, 128), sink)


def config_for(engine: Engine, port: int, folder: Path) -> Config:
    base, free, upstream = f"http://127.0.0.1:{port}/v1", PriceConfig(), engine.model(folder)
    models = {
        CHAT: ModelConfig(
            provider=CHAT, name=upstream, family=engine.family, price=free, context=512, answer_tokens=64
        )
    }
    if engine.raw_wire is not None:
        models[RAW] = ModelConfig(provider=RAW, name=upstream, family="tiny", price=free, context=512)
    providers = {
        CHAT: ProviderConfig(like=engine.like, base_url=base),
        RAW: ProviderConfig(
            like=engine.like,
            wire=engine.raw_wire,
            base_url=base.removesuffix("/v1") if engine.raw_wire == "llama_completion" else base,
        ),
    }
    return Config(home=folder.parent / "perpend", providers=providers, models=models)


async def run(options: argparse.Namespace, home: Path) -> None:
    engine, folder = ENGINES[options.engine], weights(home)
    problems = [p for kind in kinds.names() for p in fresh(3, kind, options.problems)]
    print(machine.one_line())
    with serving(engine, options.program, options.port, folder) as server:
        print(f"{options.engine} was ready after {server.start_s:.0f} s")
        async with await Runtime.open(config_for(engine, options.port, folder)) as runtime:
            await budgets(runtime, problems)
            await streams(runtime, problems)
            await forms(runtime, problems[0])
            await counts(options.port, engine.model(folder), problems[0])
            answer = await death(runtime, server, max(problems, key=lambda p: p.difficulty))
    print(
        f"\nkilled while it thought: {answer.stop_reason}, truncated {answer.truncated}, "
        f"{answer.usage.thinking} thinking tokens kept"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("program", help="the engine's own")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--problems", type=int, default=10, help="of each kind")
    options = parser.parse_args()
    with TemporaryDirectory() as home:
        asyncio.run(run(options, Path(home)))


if __name__ == "__main__":
    main()
