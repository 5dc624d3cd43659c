"""Runs programs against tests in the sandbox; the score is the share of tests that pass."""

import asyncio
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from perpend.sandbox import LIMIT_NAMES, Limits, Outcome, Sandbox
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers import code_harness
from perpend.verifiers.code_parsing import Asserts, Example, program_in, read_tests
from perpend.verifiers.contract import Task, Verifier, verifiers

_INSIDE = Path(code_harness.__file__).read_bytes()
_MAX_NAMED = 3
_MAX_CHARS = 300
_Count = Annotated[int, Meta(ge=0)]


class _Tested(Struct, frozen=True):
    """The first line of a judge's report."""

    count: _Count = 0
    passed: _Count = 0
    failed: _Count = 0
    slow: str | None = None


class Code(Verifier):
    """The gold is tests: assert statements, `check(candidate)`, or pairs of stdin and stdout (see `read_tests`).

    Feedback names failed tests with their input, the expected and the actual result. Raises SandboxUnavailable where no
    isolation level works here: a program never runs unconfined.
    """

    needs_gold = True

    def __init__(self, timeout_s: float = 10.0, memory_mb: int = 512, tolerance: float = 0.0) -> None:
        """`timeout_s` (seconds) and `memory_mb` (MiB) bound each run; numbers on stdout may differ by `tolerance`.

        Clients can't set them: one sandbox serves all requests.
        """
        self._limits = Limits(wall_s=timeout_s, cpu_s=timeout_s, memory_bytes=memory_mb << 20)
        self._tolerance = Decimal(str(tolerance))

    @cached_property
    def _sandbox(self) -> Sandbox:
        return Sandbox()

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        tests = read_tests(task.required_gold)
        if isinstance(tests, Asserts):
            return await self._run_asserts(tests, program_in(candidate.answer, tests.entry_point))
        program = program_in(candidate.answer)
        if not program.strip():
            return Verdict(0.0, False, "there is no program in the answer")
        failures = await asyncio.gather(*(self._run_example(program, example) for example in tests))
        return _verdict([failure for failure in failures if failure], len(tests))

    async def _run_example(self, program: str, example: Example) -> str | None:
        """What went wrong; None: it passed."""
        outcome = await self._sandbox.run(program, example.stdin, self._limits)
        if outcome.exit_code == 0 and self._agrees(example.stdout, outcome.stdout):
            return None
        came = _ended(outcome) or f"got {_short(outcome.stdout)}"
        return f"for input {_short(example.stdin)} expected {_short(example.stdout)}, {came}"

    def _agrees(self, expected: str, got: str) -> bool:
        """Compare line by line and word by word; the amount of space, and empty lines at the end, don't count."""
        lines, others = ([line.split() for line in text.rstrip().splitlines()] for text in (expected, got))
        return len(lines) == len(others) and all(
            len(line) == len(other) and all(map(self._same_word, line, other))
            for line, other in zip(lines, others, strict=True)
        )

    def _same_word(self, expected: str, got: str) -> bool:
        if expected == got or not self._tolerance:
            return expected == got
        try:
            return abs(Decimal(expected) - Decimal(got)) <= self._tolerance
        except InvalidOperation:
            return False

    async def _run_asserts(self, tests: Asserts, program: str) -> Verdict:
        if not program.strip():
            return Verdict(0.0, False, "there is no program in the answer")
        served = _INSIDE + f"\nserve({program!r})\n".encode(errors="surrogatepass")
        judge = _INSIDE + f"\njudge({tests.setup!r}, {tests.test!r}, {tests.entry_point!r})\n".encode()
        outcome = await self._sandbox.run(served, limits=self._limits, judge=judge)
        return _reported(outcome)

    async def check(self, task: Task) -> None:
        """Raises BadRequest for a gold without tests, and SandboxUnavailable."""
        read_tests(task.required_gold)
        await self._sandbox.level()

    async def aclose(self) -> None:
        if "_sandbox" in self.__dict__:
            await self._sandbox.aclose()


def _reported(outcome: Outcome) -> Verdict:
    """The verdict from a judge's report; of a run that was ended, from the tests that it reached.

    The judge sees only that a solution stopped answering; how it ended, `outcome` says.
    """
    tested, lines = _read(outcome.report)
    first = {name: text for line in reversed(lines) for name, text in line.items()}
    wrong = [line["said"] for line in lines if "said" in line]
    stopped = [first["wrong"]] if "wrong" in first else []
    if "gone" in first or outcome.killed_by in LIMIT_NAMES or not (stopped or "done" in first):
        where = first.get("gone") or tested.slow
        unknown = "it answers no more" if "gone" in first else "the tests didn't come to their end"
        how = _ended(outcome) or unknown
        stopped.insert(0, f"{where}: {how}" if where else how)
    total = max(tested.count, tested.passed + tested.failed + len(stopped))
    if total == 0 or not (tested.passed or tested.failed or stopped):
        return Verdict(0.0, False, "no test was run")
    return _verdict([*stopped, *wrong], total, tested.passed, tested.failed - len(wrong))


def _read(report: bytes) -> tuple[_Tested, list[dict[str, str]]]:
    """A report's head and lines; tests may overwrite it, so one that can't be decoded counts as empty."""
    head, *lines = report[: report.rfind(b"\n") + 1].splitlines() or [b"{}"]
    try:
        return msgspec.json.decode(head, type=_Tested), [
            msgspec.json.decode(line, type=dict[str, str]) for line in lines
        ]
    except (ValueError, RecursionError):
        return _Tested(), []


def _verdict(wrong: list[str], total: int, passed: int | None = None, unnamed: int = 0) -> Verdict:
    passed = total - len(wrong) if passed is None else passed
    if not wrong:
        return PASSED
    more = max(len(wrong) - _MAX_NAMED, 0) + unnamed
    named = "\n".join(wrong[:_MAX_NAMED]) + (f"\nand {more} more" if more else "")
    return Verdict(min(passed, total - 1) / total, False, f"{passed} of {total} tests passed\n{named}")


def _ended(outcome: Outcome) -> str | None:
    """How a program failed; None: it didn't."""
    if outcome.timed_out:
        return f"it ran out of time after {outcome.wall_s:.1f} s"
    if outcome.killed_by == "judge":
        return None
    if outcome.killed_by:
        return f"it was ended by {outcome.killed_by}"
    if outcome.exit_code:
        lines = outcome.stderr.strip().splitlines()[-3:]
        return f"it ended with status {outcome.exit_code}: {_short(chr(10).join(lines))}"
    return None


def _short(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…")


verifiers.register("code")(Code)
