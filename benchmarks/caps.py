"""Do caps hold where many ask at once? One key, several workers, thousands of requests at a time.

Each request is answered, or refused for good (402); one that is refused for a moment (429) is sent again. Then what was
answered is added up, and compared with the cap, and with the ledger.

    python -m benchmarks.caps                               # 4 workers, 10,000 requests at once
    python -m benchmarks.caps --workers 2 --requests 2000
    python -m benchmarks.caps --json                        # one object
"""

import argparse
import asyncio
import resource
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from benchmarks import machine
from benchmarks.load import gateways
from benchmarks.load.dialects import DIALECTS
from benchmarks.load.generator import Endpoint

CONFIG = """\
[defaults]
model = "fake-reasoner"

[serve]
port = {port}
require_keys = "always"
max_concurrent = 100000

[admission]
enabled = false

[limits.keys.bench]
{{limit}}

[providers.fake]
base_url = "{upstream}"

[models.fake-reasoner]
provider = "fake"
price = {{{{ input = 1.0, output = 4.0 }}}}
"""
SHARE = Decimal("0.4")
"""Of all requests' use, which the cap allows."""
AGAIN_S = 0.5
CONNECTIONS = 1000
"""At once: a gateway closes idle ones beyond its bound."""


class Used(Struct):
    answer: int


class Overdraft(Struct):
    cost_usd: Decimal


class Budget(Struct):
    overdraft: Overdraft | None


class Report(Struct):
    """Of what a request was answered with, the part that is added up."""

    cost_usd: Decimal
    usage: Used
    budget: Budget


class Reply(Struct):
    perpend: Report


class Total(Struct):
    cost_usd: Decimal
    answer: int


class Usage(Struct):
    total: Total


def main() -> None:
    ask = options()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with TemporaryDirectory(prefix="perpend-bench-") as folder:
        home = Path(folder)
        with gateways.upstream(None, home, 0.0) as upstream:
            cost, answer = asyncio.run(one_request(upstream.endpoint))
            caps = {
                "usd_total": SHARE * cost * ask.requests,
                "answer_tokens_per_day": int(SHARE * answer * ask.requests),
            }
            rows = [held(upstream.endpoint.url, home, name, cap, ask) for name, cap in caps.items()]
    for row in rows:
        print(row, file=sys.stderr if ask.json else sys.stdout)
    if ask.json:
        report = {"benchmark": "caps", "rows": rows, "hardware": machine.describe()}
        print(msgspec.json.encode(report, enc_hook=str).decode())
    sys.exit(0 if all(row["over"] <= 0 and row["ledger_agrees"] for row in rows) else 1)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=4, help="default 4")
    parser.add_argument("--requests", type=int, default=10_000, help="at once (default 10,000)")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def one_request(upstream: Endpoint) -> tuple[Decimal, int]:
    """What the upstream's answer costs in US dollars, and its answer's tokens."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{upstream.url}/chat/completions", json=DIALECTS["chat"].ask()) as response,
    ):
        usage = (await response.json())["usage"]
    output, thinking = usage["completion_tokens"], usage["completion_tokens_details"]["reasoning_tokens"]
    return Decimal(usage["prompt_tokens"] + 4 * output) / 10**6, output - thinking


def held(upstream: str, home: Path, name: str, cap: Decimal | int, ask: argparse.Namespace) -> dict[str, Any]:
    folder = home / name
    folder.mkdir()
    config = CONFIG.replace("{{limit}}", f"{name} = {cap}").replace("{{{{", "{{").replace("}}}}", "}}")
    with gateways.perpend(upstream, None, folder, config, workers=ask.workers) as target:
        began = time.perf_counter()
        statuses, usd, tokens, overdraft = asyncio.run(flood(target.endpoint, ask.requests))
        took_s = time.perf_counter() - began
        ledger = spent_of(folder)
    used = usd if name == "usd_total" else tokens
    return {
        "limit": name,
        "cap": cap,
        "used": used,
        "over": max(0, used - cap),
        "share_used": round(float(used / cap), 4),
        "overdraft_usd": overdraft,
        "statuses": dict(statuses),
        "ledger_agrees": ledger == (usd, tokens),
        "took_s": round(took_s, 1),
    }


async def flood(endpoint: Endpoint, count: int) -> tuple[Counter[int], Decimal, int, Decimal]:
    """How requests ended, what the answered ones cost and answered, and what an upstream spent beyond its limit."""
    statuses: Counter[int] = Counter()
    usd, tokens, overdraft = Decimal(0), 0, Decimal(0)
    body = msgspec.json.encode({**DIALECTS["chat"].ask(), "model": endpoint.model})
    headers = {"authorization": f"Bearer {endpoint.key}", "content-type": "application/json"}

    async def one(session: aiohttp.ClientSession) -> None:
        nonlocal usd, tokens, overdraft
        while True:
            async with session.post(
                f"{endpoint.url}/chat/completions", data=body, headers=headers
            ) as response:
                data, wait = await response.read(), int(response.headers.get("retry-after", "0"))
                statuses[response.status] += 1
                if response.status == 200:
                    report = msgspec.json.decode(data, type=Reply).perpend
                    usd += report.cost_usd
                    tokens += report.usage.answer
                    if report.budget.overdraft is not None:
                        overdraft += report.budget.overdraft.cost_usd
                if response.status != 429 or wait > 5:  # a day's limit comes back tomorrow
                    return
            await asyncio.sleep(AGAIN_S)

    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS), timeout=timeout
    ) as session:
        await asyncio.gather(*(one(session) for _ in range(count)))
    return statuses, usd, tokens, overdraft


def spent_of(home: Path) -> tuple[Decimal, int]:
    """US dollars and answer tokens, as the ledger has them."""
    program = str(Path(sys.executable).parent / "perpend")
    done = subprocess.run(
        [program, "usage", "--by", "key", "--json"],
        env=gateways.environment(home),
        cwd=home,
        capture_output=True,
        check=True,
    )
    total = msgspec.json.decode(done.stdout, type=Usage).total
    return total.cost_usd, total.answer


if __name__ == "__main__":
    main()
