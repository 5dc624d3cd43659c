"""What a run in the sandbox costs, beside a plain interpreter that contains nothing.

`cold` starts a sandbox for each run, `warm` uses one that is there. The ways take turns, so that a busy machine is
busy for all of them. CPU is that of all processes of a run: ours, the zygote's, the supervisor's, the program's.

    python -m benchmarks.sandbox_cost                 # a minute or so
    python -m benchmarks.sandbox_cost --json          # one object
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import msgspec

from benchmarks import machine
from perpend.sandbox import ISOLATION_LEVELS, IsolationLevel, Sandbox, find_isolation_level

PROGRAM = "print(sum(map(int, input().split())))"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

Run = Callable[[], Awaitable[None]]


async def plain() -> None:
    command = (sys.executable, "-I", "-c", PROGRAM)
    child = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate(b"1 2")
    assert out == b"3\n", out


def warm(box: Sandbox) -> Run:
    async def run() -> None:
        outcome = await box.run(PROGRAM, "1 2")
        assert outcome.stdout == "3\n", outcome

    return run


def cold(level: IsolationLevel) -> Run:
    async def run() -> None:
        slot = await level.start()
        try:
            outcome = await slot.run(PROGRAM.encode(), b"1 2")
        finally:
            await slot.aclose()
        assert outcome.stdout == "3\n", outcome

    return run


def cpu_s() -> float:
    """Of this process, of those below it, and of what they have waited for."""
    below: dict[int, list[str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            below[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
    ours = {os.getpid()}
    while more := {pid for pid, fields in below.items() if int(fields[1]) in ours} - ours:
        ours |= more
    return sum(sum(map(int, below[pid][11:15])) for pid in ours) * TICK_S


async def timed(run: Run, count: int, at_once: int) -> tuple[list[float], float]:
    """Seconds of each run, and of all of them."""
    took: list[float] = []

    async def one_after_another() -> None:
        for _ in range(count // at_once):
            began = time.perf_counter()
            await run()
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(at_once)))
    return took, time.perf_counter() - began


async def measure(rounds: int, runs: int) -> list[dict[str, Any]]:
    ways: dict[str, tuple[Run, int]] = {"plain subprocess": (plain, runs // 4)}
    boxes: list[Sandbox] = []
    for level in ISOLATION_LEVELS:
        if wrong := (await find_isolation_level((level,)))[-1].failure:
            print(f"{level.name} is left out: {wrong}", file=sys.stderr)
            continue
        boxes.append(Sandbox(2, levels=(level,)))
        await asyncio.gather(*(boxes[-1].run("") for _ in range(4)))
        ways[f"{level.name}, warm"] = (warm(boxes[-1]), runs)
        ways[f"{level.name}, cold"] = (cold(level), runs // 10)
    latencies: dict[str, list[float]] = {name: [] for name in ways}
    rates: dict[tuple[str, int], list[float]] = {}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (run, count) in ways.items():
            for at_once in (1, 2):
                before = cpu_s()
                took, seconds = await timed(run, count, at_once)
                rates.setdefault((name, at_once), []).append(len(took) / seconds)
                if at_once == 1:
                    latencies[name] += took
                    cpu[name].append((cpu_s() - before) / len(took))
    for box in boxes:
        await box.aclose()
    return [
        {
            "way": name,
            "n": len(took),
            "p5_ms": round(quantiles(took, n=20)[0] * 1000, 2),
            "p50_ms": round(median(took) * 1000, 2),
            "p95_ms": round(quantiles(took, n=20)[18] * 1000, 2),
            "cpu_ms": None if name.endswith("cold") else round(median(cpu[name]) * 1000, 2),
            "runs_per_s_1": round(median(rates[name, 1]), 1),
            "runs_per_s_2": round(median(rates[name, 2]), 1),
        }
        for name, took in latencies.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=200, help="warm runs a round; others have fewer")
    parser.add_argument("--json", action="store_true")
    ask = parser.parse_args()
    rows = asyncio.run(measure(ask.rounds, ask.runs))
    if ask.json:
        print(
            msgspec.json.encode(
                {"benchmark": "sandbox_cost", "rows": rows, "hardware": machine.describe()}
            ).decode()
        )
        return
    print(machine.one_line())
    print(
        f"{'':24}{'n':>6}{'p5 ms':>9}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}{'runs/s, 1':>11}{'runs/s, 2':>11}"
    )
    for row in rows:
        cpu = "" if row["cpu_ms"] is None else row["cpu_ms"]
        print(
            f"{row['way']:24}{row['n']:>6}{row['p5_ms']:>9}{row['p50_ms']:>9}{row['p95_ms']:>9}{cpu:>9}"
            f"{row['runs_per_s_1']:>11}{row['runs_per_s_2']:>11}"
        )


if __name__ == "__main__":
    main()
