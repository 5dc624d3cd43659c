"""What several processes cost each other that write one ledger: the wait for a row, and rows per second.

Each process has requests under way that work for a while on its event loop, then write their row, then begin anew, as
a gateway's do. Rows are counted in the end: every one that was acknowledged is there.

    python -m benchmarks.ledger_writers                       # 1, 2 and 4 processes, half a minute
    python -m benchmarks.ledger_writers --json                # one object
"""

import argparse
import asyncio
import datetime as dt
import multiprocessing
import sqlite3
import sys
import time
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import msgspec
import uvloop
from msgspec import Struct

from benchmarks import machine
from perpend.storage.rows import LedgerRow
from perpend.storage.store import Store
from perpend.types import new_id


class Cell(Struct):
    processes: int
    rows_per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    cpu_us_per_row: float
    """Less the work of the request itself."""


def row() -> LedgerRow:
    now = dt.datetime.now(dt.UTC)
    return LedgerRow(
        id=new_id("req"),
        key_id="key_0123456789ab",
        source="chat",
        model="fake-reasoner",
        provider="fake",
        status="finished",
        effort="medium",
        strategy="single",
        input=20,
        cached=0,
        thinking=100,
        answer=10,
        elapsed_ms=12,
        created_at=now,
        finished_at=now,
        cost_usd=Decimal("0.0000123"),
    )


async def request(store: Store, work_s: float, until: float, waits: list[float]) -> None:
    while time.monotonic() < until:
        busy = time.thread_time() + work_s
        while time.thread_time() < busy:
            pass
        await asyncio.sleep(0)
        entry = row()
        begun = time.perf_counter()
        await store.writer.write(entry)
        waits.append(time.perf_counter() - begun)


def process(path: Path, work_s: float, at_once: int, until: float) -> tuple[list[float], float]:
    """Seconds that each row waited, and CPU seconds beside the work."""

    async def main() -> list[float]:
        waits: list[float] = []
        with Store.open(path) as store:
            await asyncio.gather(*(request(store, work_s, until, waits) for _ in range(at_once)))
        return waits

    begun = time.process_time()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        waits = runner.run(main())
    return waits, time.process_time() - begun - work_s * len(waits)


def measure(processes: int, ask: argparse.Namespace) -> Cell:
    with TemporaryDirectory(prefix="perpend-bench-") as folder:
        path = Path(folder) / "perpend.db"
        Store.open(path).close()
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(abs, range(processes))
            until = time.monotonic() + ask.seconds + 0.5
            jobs = [(path, ask.work_ms / 1000, ask.at_once, until)] * processes
            found = pool.starmap(process, jobs, chunksize=1)
        waits = [wait for part, _ in found for wait in part]
        with sqlite3.connect(path) as store:
            (booked,) = store.execute("SELECT count(*) FROM requests").fetchone()
        store.close()
        if booked != len(waits):
            raise SystemExit(f"{len(waits)} rows were acknowledged, and {booked} are there")
    return Cell(
        processes,
        rows_per_s=len(waits) / (ask.seconds + 0.5),
        p50_ms=median(waits) * 1e3,
        p99_ms=quantiles(waits, n=100)[98] * 1e3,
        worst_ms=max(waits) * 1e3,
        cpu_us_per_row=sum(spent for _, spent in found) / len(waits) * 1e6,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", default="1,2,4", help="default 1,2,4")
    parser.add_argument("--seconds", type=float, default=3.0, help="per round (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3; the median of each figure is told")
    parser.add_argument(
        "--at-once", type=int, default=16, help="requests under way in a process (default 16)"
    )
    parser.add_argument("--work-ms", type=float, default=0.3, help="CPU of a request (default 0.3)")
    parser.add_argument("--json", action="store_true")
    ask = parser.parse_args()
    counts = [int(count) for count in ask.processes.split(",")]
    taken = [measure(count, ask) for _ in range(ask.rounds) for count in counts]
    cells = [middle([cell for cell in taken if cell.processes == count]) for count in counts]
    for cell in cells:
        figures = ", ".join(f"{name} {value:.3g}" for name, value in msgspec.structs.asdict(cell).items())
        print(figures, file=sys.stderr if ask.json else sys.stdout)
    if ask.json:
        report = {"benchmark": "ledger_writers", "cells": cells, "hardware": machine.describe()}
        print(msgspec.json.encode(report).decode())


def middle(cells: list[Cell]) -> Cell:
    fields = Cell.__struct_fields__[1:]
    return Cell(cells[0].processes, *(median(getattr(cell, name) for cell in cells) for name in fields))


if __name__ == "__main__":
    main()
