"""Sandboxes to test with: one for each rung, and a visible skip for one that doesn't work here."""

import asyncio
import time
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Self

import pytest

from perpend.sandbox import RUNGS, USUAL, Limits, Outcome, Rung, Sandbox, find_rung

NAMES = [rung.name for rung in RUNGS]


@cache
def wrong(name: str) -> str | None:
    """Why a rung doesn't work here."""
    return asyncio.run(find_rung((_named(name),)))[-1].wrong


def rung_named(name: str) -> Rung:
    """Skips the test where it doesn't work."""
    if reason := wrong(name):
        pytest.skip(f"{name}: {reason}")
    return _named(name)


def _named(name: str) -> Rung:
    return next(rung for rung in RUNGS if rung.name == name)


class Boxes:
    """One sandbox for each rung, which many tests use one after the other."""

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._open: dict[str, Sandbox] = {}
        return self

    def run(self, rung: str, program: str, limits: Limits = USUAL) -> Outcome:
        found = rung_named(rung)
        if rung not in self._open:
            self._open[rung] = Sandbox(1, rungs=(found,))
        return self._runner.run(self._open[rung].run(program, limits=limits))

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
