"""A real vLLM behind the gateway's session: native budgets, prefix continuation, counts, streams, metrics, death.

    benchmarks/vllm_setup.sh /tmp/vllm
    python -m benchmarks.vllm_live --vllm /tmp/vllm/bin/vllm

Serves the tiny reasoner's own weights on the CPU. Prints a line for each thing that was tried.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import statistics
import time
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from msgspec.structs import replace

from benchmarks import machine
from benchmarks.load.processes import Running, started
from perpend.config.schema import Config, ModelConfig, PriceConfig, ProviderConfig
from perpend.data.tasks import Problem, fresh, kinds
from perpend.engine.catalogue import find
from perpend.runtime import Runtime
from perpend.types import (
    Answer,
    Event,
    Form,
    Limits,
    Message,
    NamedTool,
    OutputFormat,
    Request,
    Sampling,
    ThinkingDelta,
    Tool,
)

NATIVE, RAW = "native", "raw"
BUDGETS = (0, 1, 16, 64)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


@contextmanager
def vllm(binary: Path, port: int, home: Path) -> Generator[Running]:
    bundled = find("tiny").bundled
    assert bundled is not None
    folder = home / "tiny"
    shutil.copytree(bundled.parent, folder, ignore=shutil.ignore_patterns("*.gguf"))
    (home / "template.jinja").write_text(TEMPLATE)
    command = [str(binary), "serve", str(folder), "--served-model-name", "tiny", "--port", str(port)]
    command += ["--dtype", "float32", "--enforce-eager", "--max-model-len", "512"]
    command += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    command += ["--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}']
    command += ["--reasoning-parser", "deepseek_r1", "--chat-template", str(home / "template.jinja")]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    with started("vllm", command, core=None, env=env, home=home) as running:
        running.wait_ready(port, "/health", 300)
        yield running


def request(problem: Problem, model: str, budget: int) -> Request:
    return Request(
        messages=(Message("user", problem.text),),
        model=model,
        limits=Limits(max_thinking_tokens=budget),
        sampling=Sampling(temperature=1.0, seed=zlib.crc32(problem.text.encode())),
    )


async def budgets(runtime: Runtime, problems: list[Problem]) -> None:
    print("\nwire     budget  accuracy  thinking mean / most   overshot   s/problem")
    for model in (NATIVE, RAW):
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


async def streams(runtime: Runtime, problems: list[Problem]) -> None:
    pieces = 0

    async def sink(batch: list[Event]) -> None:
        nonlocal pieces
        pieces += sum(isinstance(event, ThinkingDelta) for event in batch)

    began = time.monotonic()
    answers = await asyncio.gather(*(runtime.solve(request(p, NATIVE, 64), sink) for p in problems[:16]))
    seconds = time.monotonic() - began
    tokens = sum(answer.usage.output for answer in answers)
    print(f"\n16 streams at once: {tokens} tokens in {seconds:.1f} s, {pieces} pieces of thinking")


async def forms(runtime: Runtime, problem: Problem) -> None:
    """A schema and a forced call, bound only once the thought is closed."""
    schema = {
        "type": "object",
        "properties": {"n": {"enum": list(range(10))}},
        "required": ["n"],
        "additionalProperties": False,
    }
    add = Tool(name="add", description="Adds.", parameters=schema)
    for model, form in (
        (NATIVE, Form(output=OutputFormat(schema=schema))),
        (RAW, Form(output=OutputFormat(schema=schema))),
        (NATIVE, Form(tools=(add,), tool_choice=NamedTool("add"))),
    ):
        answer = await runtime.solve(replace(request(problem, model, 64), form=form))
        calls = [(call.name, call.arguments) for call in answer.tool_calls]
        said = answer.text.strip() or calls
        print(f"{model}: {answer.usage.thinking} thinking tokens, then {said} ({answer.stop_reason})")


async def counts(port: int, problem: Problem) -> None:
    """What vLLM itself says of its thinking."""
    body = {"model": "tiny", "messages": [{"role": "user", "content": problem.text}], "max_tokens": 200}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as response:
            said = await response.json()
        async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
            text = await response.text()
    message = said["choices"][0]["message"]
    print(
        f"\nvLLM's own usage: {json.dumps(said['usage'])}; reasoning field: {bool(message.get('reasoning'))}"
    )
    for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
        found = re.search(rf"^vllm:{name}\S* (\S+)$", text, re.MULTILINE)
        print(f"vllm:{name} {found[1] if found else 'not there'}")


async def death(runtime: Runtime, server: Running, problem: Problem) -> Answer:
    async def sink(batch: list[Event]) -> None:
        if any(isinstance(event, ThinkingDelta) for event in batch) and server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)

    return await runtime.solve(request(problem, NATIVE, 128), sink)


async def run(options: argparse.Namespace, home: Path) -> None:
    base = f"http://127.0.0.1:{options.port}/v1"
    free = PriceConfig()
    config = Config(
        home=home / "perpend",
        providers={
            "native": ProviderConfig(like="vllm", base_url=base),
            "raw": ProviderConfig(base_url=base, wire="raw_completion"),
        },
        models={
            NATIVE: ModelConfig(
                provider="native",
                name="tiny",
                family="vllm-budget",
                price=free,
                context=512,
                answer_tokens=64,
            ),
            RAW: ModelConfig(provider="raw", name="tiny", family="tiny", price=free, context=512),
        },
    )
    problems = [p for kind in kinds.names() for p in fresh(3, kind, options.problems)]
    print(machine.one_line())
    with vllm(options.vllm, options.port, home) as server:
        print(f"vLLM was ready after {server.start_s:.0f} s")
        async with await Runtime.open(config) as runtime:
            await budgets(runtime, problems)
            await streams(runtime, problems)
            await forms(runtime, problems[0])
            await counts(options.port, problems[0])
            answer = await death(runtime, server, max(problems, key=lambda p: p.difficulty))
    print(
        f"\nkilled while it thought: {answer.stop_reason}, truncated {answer.truncated}, "
        f"{answer.usage.thinking} thinking tokens kept"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vllm", type=Path, required=True, help="the `vllm` program")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--problems", type=int, default=10, help="of each kind")
    options = parser.parse_args()
    with TemporaryDirectory() as home:
        asyncio.run(run(options, Path(home)))


if __name__ == "__main__":
    main()
