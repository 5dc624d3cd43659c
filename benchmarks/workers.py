"""What several workers of one gateway give: requests per second, CPU per request, and how evenly they share the work.

Workers, upstream and load generator rarely have a core each on one machine. `--share` has each worker's CPU limited
by a control group, as if its core were slower: what is measured is then what workers cost each other, in the store,
at the listeners and through their supervisor, and not what is left of the machine's cores. Without it, all run as they
are.

    python -m benchmarks.workers                                # 1 and 2 workers, each with three tenths of a core
    python -m benchmarks.workers --workers 1,2,4 --share 0.1
    python -m benchmarks.workers --share 0                      # unlimited
    python -m benchmarks.workers --json                         # one object
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Generator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
import uvloop
from msgspec import Struct

import perpend
from benchmarks import machine
from benchmarks.load import gateways
from benchmarks.load.dialects import DIALECTS
from benchmarks.load.gateways import Gateway
from benchmarks.load.generator import Cell, Kind, drive
from benchmarks.load.processes import cpu_of

GROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 5_000


class Taken(Struct):
    """One round with so many workers."""

    workers: int
    cell: Cell
    cpu_ms_per_request: float
    """Of workers and supervisor."""
    supervisor_cpu_share: float
    connections: list[int]
    """That each worker has, of the clients'."""
    cpu_shares: list[float]
    """Of each worker: as all requests are the same, its share of them."""


def main() -> None:
    ask = options()
    taken: list[Taken] = []
    counts = [int(count) for count in ask.workers.split(",")]
    with TemporaryDirectory(prefix="perpend-bench-") as folder:
        home = Path(folder)
        with gateways.upstream(None, home, 0.0) as upstream:
            for number in range(ask.rounds):
                for count in counts if number % 2 == 0 else reversed(counts):
                    own = home / f"{number}-{count}"
                    own.mkdir()
                    taken += [measure(upstream, own, count, stream, ask) for stream in (False, True)]
    rows = [summary(taken, count, mode, counts[0]) for mode in ("json", "stream") for count in counts]
    for row in rows:
        print(row, file=sys.stderr if ask.json else sys.stdout)
    if ask.json:
        report = {"benchmark": "workers", "share": ask.share, "rounds": taken, "hardware": machine.describe()}
        print(msgspec.json.encode(report).decode())
    sys.exit(1 if any(one.cell.errors for one in taken) else 0)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", default="1,2", help="default 1,2")
    parser.add_argument("--share", type=float, default=0.3, help="of a core, for each worker; 0: unlimited")
    parser.add_argument("--clients", type=int, default=64, help="keep-alive connections (default 64)")
    parser.add_argument("--seconds", type=float, default=4.0, help="per cell (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3; medians are told")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure(upstream: Gateway, home: Path, count: int, stream: bool, ask: argparse.Namespace) -> Taken:
    folder = home / ("stream" if stream else "json")
    folder.mkdir()
    source = {"PYTHONPATH": str(Path(perpend.__file__).parent.parent)}  # whose modules this program has
    with gateways.perpend(upstream.endpoint.url, None, folder, more=source, workers=count) as target:
        assert target.running is not None
        supervisor, *children = target.running.pids()
        workers = children or [supervisor]
        with contextlib.ExitStack() as stack:
            if ask.share:
                for pid in workers:
                    stack.enter_context(limited(pid, ask.share))
            pids = target.running.pids()
            connections: list[int] = []
            spent: list[list[float]] = []

            def meter() -> tuple[float, float]:
                spent.append([cpu_of(pid) for pid in pids])
                connections[:] = [connections_of(pid, target.endpoint.url) for pid in workers]
                return sum(spent[-1]), 0.0

            kind = Kind(DIALECTS["chat"], stream)
            cell = uvloop.run(drive(target.endpoint, kind, ask.clients, ask.seconds, meter))
    used = [now - then for then, now in zip(spent[0], spent[-1], strict=True)]
    of_workers = [used[pids.index(pid)] for pid in workers]
    return Taken(
        count,
        cell,
        cpu_ms_per_request=sum(used) * 1e3 / max(1, cell.requests),
        supervisor_cpu_share=(used[0] if count > 1 else 0.0) / max(1e-9, sum(used)),
        connections=connections,
        cpu_shares=[one / max(1e-9, sum(of_workers)) for one in of_workers],
    )


@contextlib.contextmanager
def limited(pid: int, share: float) -> Generator[None]:
    """The process gets so much of a core's time, in slices of five milliseconds."""
    unified = "cpu" in _read(GROUPS / "cgroup.controllers").split()
    group = (GROUPS if unified else GROUPS / "cpu") / f"perpend-bench-{pid}"
    quota = round(share * PERIOD_US)
    try:
        group.mkdir()
        if unified:
            (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise SystemExit(
            f"--share needs control groups that can be written: {error}; try --share 0"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (group.parent / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            group.rmdir()


def connections_of(pid: int, url: str) -> int:
    """Established ones of a process at the gateway's port."""
    port = int(url.split(":")[2].partition("/")[0])
    mine = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in _read(Path("/proc/net/tcp")).splitlines()[1:]]
    return sum(
        row[3] == "01" and int(row[1].partition(":")[2], 16) == port and f"socket:[{row[9]}]" in mine
        for row in rows
    )


def summary(taken: list[Taken], count: int, mode: str, first: int) -> str:
    def of(workers: int) -> list[Taken]:
        return [one for one in taken if one.workers == workers and one.cell.mode == mode]

    mine = of(count)
    times = [a.cell.per_s / b.cell.per_s for a, b in zip(mine, of(first), strict=True)]
    cpu = [a.cpu_ms_per_request / b.cpu_ms_per_request for a, b in zip(mine, of(first), strict=True)]
    shares = ["/".join(f"{share:.2f}" for share in sorted(one.cpu_shares)) for one in mine]
    split = ["/".join(map(str, sorted(one.connections))) for one in mine]
    return (
        f"{mode:6} {count} workers: {median(one.cell.per_s for one in mine):,.0f}/s, "
        f"{median(times):.2f} times {first}; "
        f"p50 {median(one.cell.p50_ms for one in mine):.1f} ms, p99 {median(one.cell.p99_ms for one in mine):.1f} ms; "
        f"CPU {median(one.cpu_ms_per_request for one in mine):.3f} ms a request, {median(cpu):.2f} times {first}, "
        f"the supervisor's share {median(one.supervisor_cpu_share for one in mine):.3f}; "
        f"shares of workers {', '.join(shares)}; connections {', '.join(split)}"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
