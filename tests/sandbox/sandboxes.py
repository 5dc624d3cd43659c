"""Sandboxes to test with: one for each isolation level, and a visible skip for one that doesn't work here."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from perpend.sandbox import (
    DEFAULT_LIMITS,
    ISOLATION_LEVELS,
    IsolationLevel,
    Limits,
    Outcome,
    Sandbox,
    find_isolation_level,
)
from perpend.sandbox.inside.libc import prctl

_CHILD_SUBREAPER = 36
NAMES = [level.name for level in ISOLATION_LEVELS]


@cache
def wrong(name: str) -> str | None:
    """Why an isolation level doesn't work here. Found in a thread of its own: a test that asks may be in a loop."""
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, find_isolation_level((_named(name),))).result()[-1].failure


def level_named(name: str) -> IsolationLevel:
    """Skips the test where it doesn't work."""
    if reason := wrong(name):
        pytest.skip(f"{name}: {reason}")
    return _named(name)


def _named(name: str) -> IsolationLevel:
    return next(level for level in ISOLATION_LEVELS if level.name == name)


def children() -> set[int]:
    """Processes below this one."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(folder.name)] = int(fields[1])
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


class Boxes:
    """One sandbox for each isolation level, which many tests use one after the other."""

    def __enter__(self) -> Self:
        prctl(_CHILD_SUBREAPER, 1)  # what outlives those who started it is below us still
        self._runner = asyncio.Runner()
        self._open: dict[str, Sandbox] = {}
        return self

    def run(self, level: str, program: str, limits: Limits = DEFAULT_LIMITS) -> Outcome:
        found = level_named(level)
        if level not in self._open:
            self._open[level] = Sandbox(1, levels=(found,))
        return self._runner.run(self._open[level].run(program, limits=limits))

    def settle(self, processes: Callable[[], int]) -> None:
        """Until nobody is left but, for each box, a zygote and the fork that waits for the next run."""
        deadline = time.monotonic() + 10
        while (left := processes()) > 2 * len(self._open):
            assert time.monotonic() < deadline, f"{left} processes are left"
            time.sleep(0.01)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for box in self._open.values():
            self._runner.run(box.aclose())
        self._runner.close()
        prctl(_CHILD_SUBREAPER, 0)
