"""Requests against an upstream that fails in every way (seeded): how each ended, and whether all is accounted for.

    python -m benchmarks.fault_run --requests 2000 --seed 1

Exit status 1 where a request didn't end in an answer or a proper error within its deadline, where the ledger doesn't
balance, or where a task, a socket or a file is left. The upstream and the checks are those of tests/faults.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import uvloop
from faulty import DEADLINE_S, Outcome, run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=100)
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "ledger.db"
        outcome = uvloop.run(_run(options.requests, options.seed, store, options.at_once))
    print(f"{options.requests} requests, seed {options.seed}, {time.perf_counter() - began:.1f} s")
    print(f"the longest took {outcome.longest_s:.2f} s of {DEADLINE_S} s; {len(outcome.rows)} ledger rows\n")
    for title, counts in (("how they ended", outcome.ends), ("what the upstream did", outcome.faults)):
        print(title)
        print("".join(f"  {count:6,}  {name}\n" for name, count in counts.most_common()))
    print("\n".join(outcome.wrong) or "nothing wrong")
    sys.exit(bool(outcome.wrong))


async def _run(count: int, seed: int, store: Path, at_once: int) -> Outcome:
    await run(20, seed, store.with_name("first.db"))  # what is opened once stays open
    before = os.listdir("/proc/self/fd")
    outcome = await run(count, seed, store, at_once=at_once)
    left = len(os.listdir("/proc/self/fd")) - len(before)
    outcome.wrong += [f"{left} files or sockets are left"] * (left > 0)
    return outcome


main()
