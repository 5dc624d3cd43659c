"""Requests of every kind, right ones and broken ones, against a real gateway: is each answered, and none by a 5xx?

    python -m benchmarks.fuzz                            100,000 cases, seed 1
    python -m benchmarks.fuzz --cases 3000 --seed 7      a few seconds' worth, of another seed
    python -m benchmarks.fuzz --seed 7 --case 1234       one of them once more: what is sent, and what comes

A grammar makes bodies of every endpoint, with strategies, verifiers, addresses, patterns, schemas and golds; most are
then changed: other types and sizes, odd texts, broken JSON, broken encodings. Others are broken in their heads, paths,
methods and framing. They go to `perpend serve` over sockets, many at a time, with a fake model behind it.

A finding is an answer of 500 (or any 5xx that doesn't name an upstream, a verifier, a sandbox or a deadline), no
answer within --patience, a connection that closes without one, a traceback in the gateway's log, or a gateway that
isn't as it was afterwards. Each case is made of its seed and number alone. Exit status 1 where anything was found.
"""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import uvloop
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks import machine

from .attack import Attack, Finding, Hung
from .cases import case
from .gateway import Attacked, attacked

SHOWN = 5
"""Cases that are named of each kind of finding."""
EXCERPT = 5000
"""Bytes of a case and of its answer that are printed."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        prog="python -m benchmarks.fuzz",
    )
    parser.add_argument("--cases", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--seed", type=int, default=1, help="of all of them (default 1)")
    parser.add_argument(
        "--case", type=int, help="only the one of this number; prints what is sent and what comes"
    )
    parser.add_argument("--at-once", type=int, default=64, help="cases under way at a time (default 64)")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds that are a hang (default 30)")
    parser.add_argument("--log", type=Path, help="keep the gateway's log here")
    options = parser.parse_args()
    os.nice(19)  # others have work to do
    signal.signal(signal.SIGTERM, _end)
    with TemporaryDirectory() as folder, attacked(Path(folder)) as gateway:
        one = options.case is not None
        findings = uvloop.run(_again(options, gateway)) if one else _all(options, gateway)
        problems = gateway.problems()
        if options.log:
            options.log.write_text(gateway.log)
    print("\n".join(problems) or ("" if findings else "nothing found"))
    sys.exit(bool(findings or problems))


def _end(number: int, _: object) -> NoReturn:
    """The gateway ends too."""
    sys.exit(128 + number)


def _all(options: argparse.Namespace, gateway: Attacked) -> list[Finding]:
    began = time.perf_counter()
    attack = Attack(gateway.port, patience_s=options.timeouts)
    uvloop.run(_attack(options, gateway, attack))
    took = time.perf_counter() - began
    print(machine.one_line())
    print(
        f"{attack.done:,} cases, seed {options.seed}, in {took:.0f} s: {attack.done / took:,.0f} a second\n"
    )
    by_kind = Counter(kind for kind, _ in attack.statuses.elements())
    for kind, count in by_kind.most_common():
        said = sorted((status, n) for (of, status), n in attack.statuses.items() if of == kind)
        print(f"  {kind:8} {count:7,}   " + "  ".join(f"{status or 'closed'}: {n:,}" for status, n in said))
    seconds, slow = attack.slowest
    print(f"\nthe slowest took {seconds:.1f} s: case {slow.number if slow else 0}\n")
    for what, count in Counter(one.what for one in attack.findings).most_common():
        print(f"{count} x {what}")
        for one in [one for one in attack.findings if one.what == what][:SHOWN]:
            print(f"  case {one.case.number}: {one.case.line}")
            print(f"    again: python -m benchmarks.fuzz --seed {options.seed} --case {one.case.number}")
    return attack.findings


async def _attack(options: argparse.Namespace, gateway: Attacked, attack: Attack) -> None:
    columns = (
        TextColumn("fuzz"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as progress:
        bar = progress.add_task("fuzz", total=options.cases)
        cases = (case(options.seed, number, gateway.key) for number in range(options.cases))
        await attack.run(cases, options.at_once, lambda: progress.advance(bar))


async def _again(options: argparse.Namespace, gateway: Attacked) -> list[Finding]:
    one = case(options.seed, options.case, gateway.key)
    attack = Attack(gateway.port, patience_s=options.timeouts)
    print(one.request[:EXCERPT].decode(errors="replace"), "\n")
    try:
        answer, _ = await attack.answer(one)
    except Hung:
        return [Finding(f"no answer within {options.timeouts:g} s", one)]
    print(f"{answer.status or 'closed'} after {answer.seconds:.2f} s")
    print(answer.body[:EXCERPT].decode(errors="replace"))
    return [Finding(what, one)] if (what := answer.wrong) else []


if __name__ == "__main__":
    main()
