"""Candidates of one prompt on the embedded engine: at once or in turn, and what of the prompt is shared.

    python -m benchmarks.side_by_side --model qwen2.5-coder-0.5b --prompt 200 --tokens 64

Each round has prompts of its own, so nothing is cached before the first candidate. Ways, in turn within a round:
`after`: one after the other; `beside`: all at once, a slot each; `warmed`: all at once after the prompt alone;
`children`: llama.cpp's own `n_cmpl`, which copies the prompt's state into each slot; `unified`: `beside` on one KV
buffer for all slots.
CPU is the engine's own, which other work on the machine hardly changes; seconds are the clock's.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple, cast

import aiohttp
import msgspec

from benchmarks import machine
from perpend.config import home_dir
from perpend.engine.catalogue import find

_CONTEXT = 2048
_TICKS = os.sysconf("SC_CLK_TCK")
_UNIFIED = """
import xllamacpp
made = xllamacpp.CommonParams
def unified(*args):
    params = made(*args)
    params.kv_unified = True
    return params
xllamacpp.CommonParams = unified
import sys
from perpend.engine.child import main
main(sys.argv[1])
"""


class Engine(NamedTuple):
    url: str
    pid: int

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


class Run(NamedTuple):
    cpu_s: float
    seconds: float
    tokens: int
    cached: list[int]
    """Prompt tokens of each candidate that weren't worked out for it."""


@contextmanager
def engine(options: argparse.Namespace, *, unified: bool) -> Generator[Engine]:
    weights = find(options.model).path(home_dir())
    if not weights.exists():
        raise SystemExit(f"{options.model} isn't here: perpend models pull {options.model}")
    launch = {
        "model": str(weights),
        "slots": options.n,
        "context": _CONTEXT,
        "threads": options.threads,
        "cache_mib": 512,
    }
    program = ["-c", _UNIFIED] if unified else ["-m", "perpend.engine.child"]
    command = [sys.executable, *program, msgspec.json.encode(launch).decode()]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log) as child,
    ):
        assert child.stdout is not None
        assert child.stdin is not None
        try:
            yield Engine(msgspec.json.decode(child.stdout.readline())["url"], child.pid)
        finally:
            child.stdin.close()


async def asked(
    session: aiohttp.ClientSession, prompt: str, seed: int, tokens: int, **more: Any
) -> list[Any]:
    body = {
        "prompt": prompt,
        "seed": seed,
        "n_predict": tokens,
        "temperature": 0.8,
        "ignore_eos": True,
        "cache_prompt": True,
        **more,
    }
    async with session.post("/completion", json=body) as response:
        answer: Any = await response.json()
    return cast("list[Any]", answer) if isinstance(answer, list) else [answer]


async def run(engine: Engine, way: str, prompt: str, options: argparse.Namespace) -> Run:
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(engine.url, timeout=timeout) as session:
        cpu_s, began = engine.cpu_s, time.monotonic()
        if way == "warmed":
            await asked(session, prompt, 0, 1)
        if way == "children":
            answers = await asked(session, prompt, 1, options.tokens, n_cmpl=options.n)
        elif way == "after":
            answers = [
                one for seed in range(options.n) for one in await asked(session, prompt, seed, options.tokens)
            ]
        else:
            each = [asked(session, prompt, seed, options.tokens) for seed in range(options.n)]
            answers = [one for some in await asyncio.gather(*each) for one in some]
        return Run(
            engine.cpu_s - cpu_s,
            time.monotonic() - began,
            sum(one["timings"]["predicted_n"] for one in answers),
            [one["timings"]["cache_n"] for one in answers],
        )


def prompt(drawn: random.Random, tokens: int) -> str:
    """About so many tokens, and unlike any other from its first words on."""
    return " ".join(str(drawn.randrange(100, 1000)) for _ in range(tokens // 4)) + " Say more:"


async def measured(options: argparse.Namespace) -> dict[str, list[Run]]:
    drawn = random.Random(options.seed)
    runs: dict[str, list[Run]] = {way: [] for way in ("after", "beside", "warmed", "children", "unified")}
    with engine(options, unified=False) as usual, engine(options, unified=True) as unified:
        for one in (usual, unified):
            await run(one, "after", "warm up", argparse.Namespace(n=1, tokens=4))
        for number in range(options.rounds):
            for way in drawn.sample(list(runs), len(runs)):
                on = unified if way == "unified" else usual
                runs[way].append(await run(on, way, prompt(drawn, options.prompt), options))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--prompt", type=int, default=200, help="tokens, about")
    parser.add_argument("--tokens", type=int, default=64, help="of each candidate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs = asyncio.run(measured(options))
    print(machine.one_line())
    print(
        f"{options.model}, {options.n} candidates of {options.tokens} tokens, prompts of about {options.prompt}, "
        f"{options.threads} thread(s), {options.rounds} rounds"
    )
    print(
        f"{'':10} {'CPU s':>15} {'tokens per CPU s':>17} {'clock s':>8}  cached of each candidate (last round)"
    )
    for way, each in runs.items():
        cpu = [one.cpu_s for one in each]
        spread = stdev(cpu) if len(cpu) > 1 else 0.0
        print(
            f"{way:10} {fmean(cpu):8.2f} ± {spread:4.2f} {sum(r.tokens for r in each) / sum(cpu):17.1f} "
            f"{fmean(r.seconds for r in each):8.1f}  {', '.join(map(str, each[-1].cached))}"
        )


if __name__ == "__main__":
    main()
