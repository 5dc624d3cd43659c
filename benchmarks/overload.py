"""More than can be done: what arrives in time and is right, with requests thinking less and without.

    python -m benchmarks.overload --json out/overload.json

An open loop (arrivals don't wait for answers; Poisson, or in bursts) at 0.5, 1, 2 and 4 times the capacity that was
measured before, on `load/slotted_server`: slots, a token rate, and answers whose rightness depends on how much of a
thought was thought. Requests of the first seconds, and of the last ones, after which nobody comes, aren't counted. In
front of it the same gateway in turn: `shed` as it comes, with the server's curve installed as
`perpend eval curve` measures it; `proportional`, which lowers budgets in eighths instead; and three that lower nothing:
`turns` lets all wait in fair turns, `queue` sends all on to wait at the server, and with `429` nobody waits. Two
tenants, one of which asks four times as much, and three service classes.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import msgspec

from benchmarks import machine
from benchmarks.load.gateways import environment, model_server
from benchmarks.load.open_loop import Arrival, Kind, Outcome, arrivals, drive
from benchmarks.load.processes import free_port, started
from benchmarks.load.slotted_server import is_right, natural
from perpend.accounting.curves import Curve, CurvePoint, CurveSource, data_hash, install
from perpend.statistics import proportion, quantile

ROOT = Path(__file__).parent.parent
THINKING = 768
CLASSES = (("interactive", 3.0, 0.4), ("standard", 5.0, 0.4), ("batch", 10.0, 0.2))
"""With their deadlines in seconds, and shares of the requests."""
TENANTS = (("large", 0.8), ("small", 0.2))
KINDS = [
    (Kind(tenant, name, deadline_s, THINKING), asks * part)
    for tenant, asks in TENANTS
    for name, deadline_s, part in CLASSES
]
MODES = {
    "shed": "",
    "proportional": "",
    "turns": "lower = false\nmax_queue = 100000\nmax_wait_s = 3600",
    "queue": "enabled = false",
    "429": "lower = false\nmax_queue = 0",
}
CONFIG = """\
[defaults]
model = "m"

[serve]
port = {port}
require_keys = "always"

[providers.slots]
like = "llama-server"
base_url = "{upstream}"
{slots}

[models.m]
provider = "slots"
family = "qwen3"

[admission]
{admission}
"""
MEASURING_S = 10.0
WARM_S = 5.0
LAST_S = max(deadline_s for _, deadline_s, _ in CLASSES)
"""What arrives in the last seconds isn't counted: those behind it are missing."""
BUDGETS = (0, 32, 64, 96, 128, 192, 256, 384, 512, THINKING)
MEASURED = 600
"""Problems that the curve is measured with; they don't come again."""


class Cell(NamedTuple):
    mode: str
    times: float
    """Of the capacity."""
    bursty: bool
    outcomes: list[Outcome]


@contextmanager
def gateway(mode: str, upstream: str, slots: int | None, home: Path) -> Generator[tuple[str, dict[str, str]]]:
    """Its URL, and a key for each tenant."""
    port, home = free_port(), home / mode
    home.mkdir()
    known = "" if slots is None else f"slots = {slots}"
    config = CONFIG.format(port=port, upstream=upstream, slots=known, admission=MODES[mode])
    (home / "perpend.toml").write_text(config)
    install(home, server_curve())
    env = {**environment(home), "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    keys: dict[str, str] = {}
    for tenant, _ in TENANTS:
        command = [sys.executable, "-m", "perpend", "keys", "create", tenant, "--json"]
        made = subprocess.run(command, env=env, cwd=home, capture_output=True, check=True)
        keys[tenant] = msgspec.json.decode(made.stdout)["secret"]
    program = "benchmarks.load.proportional" if mode == "proportional" else "perpend"
    with started(mode, [sys.executable, "-m", program, "serve"], core=None, env=env, home=home) as running:
        running.wait_ready(port, "/readyz")
        yield f"http://127.0.0.1:{port}/v1", keys


def server_curve() -> Curve:
    """The server's accuracy by budget, on problems of its own."""
    problems = range(MEASURED)
    points = tuple(
        CurvePoint(
            budget=budget,
            right=tuple(int(is_right(one, min(budget, natural(one)))) for one in problems),
            thinking_tokens=fmean(min(budget, natural(one)) for one in problems),
        )
        for budget in BUDGETS
    )
    lengths = sorted(map(natural, problems))
    source = CurveSource(suite="slotted", fingerprint="", seeds=(0,), measured="", model_versions=(), runs=())
    return Curve(
        model="m",
        source=source,
        points=points,
        natural_p50=lengths[len(lengths) // 2],
        natural_p90=lengths[len(lengths) * 9 // 10],
        data=data_hash(points),
    )


async def capacity(url: str, keys: dict[str, str], slots: int, seed: int) -> float:
    """Requests a second that end, with a client for each slot that asks again as soon as it is answered."""
    loop = asyncio.get_running_loop()
    kind = Kind(TENANTS[0][0], "standard", 600.0, THINKING)
    ended: list[float] = []

    async def client(number: int) -> None:
        for turn in range(1000):
            arrival = Arrival(0.0, 10**9 + seed * 10**6 + number * 1000 + turn, kind)
            (outcome,) = await drive(url, keys, [arrival])
            assert outcome.status == 200, outcome
            if loop.time() >= until:
                return
            ended.append(loop.time())

    until = loop.time() + MEASURING_S
    await asyncio.gather(*map(client, range(slots)))
    return sum(at >= until - MEASURING_S + 2 for at in ended) / (MEASURING_S - 2)


def told(cell: Cell, seconds: float) -> dict[str, Any]:
    """What came of a cell's requests."""
    outcomes = [one for one in cell.outcomes if WARM_S <= one.arrival.at_s < seconds - LAST_S]
    firsts = sorted(one.first_token_s for one in outcomes if one.first_token_s is not None)
    totals = sorted(one.total_s for one in outcomes if one.status == 200)
    good = [one for one in outcomes if one.in_time and one.right]
    rightness = proportion(len(good), len(outcomes))
    return {
        "mode": cell.mode,
        "times": cell.times,
        "arrivals": "bursts" if cell.bursty else "Poisson",
        "requests": len(outcomes),
        "right_in_time": len(good),
        "share": [round(rightness.estimate, 3), round(rightness.low, 3), round(rightness.high, 3)],
        "late": sum(one.status == 200 and not one.in_time for one in outcomes),
        "refused": sum(one.status == 429 for one in outcomes),
        "failed": sum(one.status not in (200, 429) for one in outcomes),
        "lowered": sum(one.lowered_by == "load" for one in outcomes),
        "tokens": sum(one.tokens for one in outcomes),
        "first_token_s": [round(quantile(firsts, q), 2) for q in (0.5, 0.95, 0.99)] if firsts else None,
        "total_s": [round(quantile(totals, q), 2) for q in (0.5, 0.95, 0.99)] if totals else None,
        "by_class": {name: _share_of(outcomes, service_class=name) for name, _, _ in CLASSES},
        "by_tenant": {name: _share_of(outcomes, tenant=name) for name, _ in TENANTS},
        "retry_after": _retries(outcomes),
    }


def _share_of(outcomes: Sequence[Outcome], **of: str) -> float | None:
    own = [
        one for one in outcomes if all(getattr(one.arrival.kind, name) == value for name, value in of.items())
    ]
    return round(fmean(one.in_time and one.right for one in own), 3) if own else None


def _retries(outcomes: Sequence[Outcome]) -> dict[str, float] | None:
    """Of those that were refused: what they were told, and whether the next of their class after that was answered."""
    waits = [one.retry_after_s for one in outcomes if one.retry_after_s is not None]
    if not waits:
        return None
    kept: list[bool] = []
    for one in outcomes:
        if one.retry_after_s is not None:
            at_s = one.arrival.at_s + one.total_s + one.retry_after_s
            later = [
                other
                for other in outcomes
                if other.arrival.at_s >= at_s
                and other.arrival.kind.service_class == one.arrival.kind.service_class
            ]
            kept += [min(later, key=lambda other: other.arrival.at_s).status == 200] if later else []
    return {
        "told_p50_s": quantile(sorted(waits), 0.5),
        "told_most_s": max(waits),
        "came_back": len(kept),
        "answered_then": round(fmean(kept), 3) if kept else 1.0,
    }


def row(told: dict[str, Any]) -> str:
    share = told["share"]
    cells = [
        f"{told['mode']:>12} {told['times']:>4g}x {told['arrivals']:>7}",
        f"right in time {told['right_in_time']:>4} of {told['requests']:>4}",
        f"({share[0]:.2f}, {share[1]:.2f} to {share[2]:.2f})",
        f"refused {told['refused']:>4} late {told['late']:>4} lowered {told['lowered']:>4} failed {told['failed']}",
        f"first {told['first_token_s']} total {told['total_s']} tokens {told['tokens']}",
    ]
    return "  ".join(cells)


async def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    slots = str(options.slots)
    with model_server(
        "benchmarks.load.slotted_server", None, folder, "--slots", slots, "--rate", str(options.rate)
    ) as server:
        per_s = 0.0
        for mode in options.modes:
            known = None if options.learn else options.slots
            with gateway(mode, server.endpoint.url, known, folder) as (url, keys):
                found = await capacity(url, keys, options.slots, options.seed)
                per_s = per_s or found
                print(f"{mode}: {found:.1f} requests/s with a client for each slot", flush=True)
                for bursty, times in options.cells:
                    coming = arrivals(times * per_s, options.seconds, KINDS, bursty=bursty, seed=options.seed)
                    rows.append(
                        told(Cell(mode, times, bursty, await drive(url, keys, coming)), options.seconds)
                    )
                    print(row(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=35.0, help="that requests arrive, in each cell")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--rate", type=float, default=300.0, help="tokens a second of each slot")
    parser.add_argument(
        "--learn", action="store_true", help="the gateway isn't told how many slots there are"
    )
    parser.add_argument("--modes", type=lambda text: text.split(","), default=list(MODES))
    parser.add_argument(
        "--times", type=lambda text: [float(one) for one in text.split(",")], default=[0.5, 1, 2, 4]
    )
    parser.add_argument(
        "--bursts", type=lambda text: [float(one) for one in text.split(",") if one], default=[2]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.cells = [(False, times) for times in options.times] + [(True, times) for times in options.bursts]
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(options, Path(folder)))
    print(machine.one_line())
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


if __name__ == "__main__":
    main()
