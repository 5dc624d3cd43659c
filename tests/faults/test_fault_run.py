"""An upstream that fails in every way: each request ends in an answer or a proper error, in time, and is accounted for.

benchmarks/fault_run.py does the same with 2,000 requests.
"""

import os
from pathlib import Path

from faulty import FAULTS, run


async def test_every_request_ends_properly_whatever_its_upstream_does(tmp_path: Path) -> None:
    files = _open_files()
    outcome = await run(200, seed=7, store=tmp_path / "ledger.db")
    assert not outcome.wrong
    assert sum(outcome.ends.values()) == len(outcome.rows) == 200
    assert len(outcome.faults) > 0.7 * len(FAULTS), "most kinds of faults were met"
    assert _open_files() <= files


def _open_files() -> int:
    """Sockets among them; 0 where the system doesn't tell."""
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
