"""What a run may use, and how it ended."""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one run, all its processes together. A program that reaches one is killed, or refused more."""

    wall_s: float = 10.0
    """Seconds on the clock."""
    cpu_s: float = 10.0
    """Seconds of all cores together."""
    memory_bytes: int = 512 << 20
    """What is in memory, files in /tmp too; an address space may be a GiB larger."""
    processes: int = 64
    """Processes and threads."""
    disk_bytes: int = 64 << 20
    """Files in /tmp, all together; without namespaces there are none."""
    output_bytes: int = 1 << 20
    """Of stdout and of stderr, each; what a report has room for."""


DEFAULT_LIMITS = Limits()
LIMIT_NAMES = ("wall", "cpu", "memory", "processes", "output", "disk")
"""What ends a run that reaches a limit."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How a program ended."""

    stdout: str
    stderr: str
    exit_code: int
    """As a shell says it: 128 + the signal where it was killed."""
    timed_out: bool
    """It ran into `wall_s` or `cpu_s`."""
    killed_by: str | None = None
    """The limit that it reached, one of LIMIT_NAMES; `judge`: it still ran when its judge ended; else the signal that
    ended it, such as `SIGSEGV`; None: it ended by itself."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    report: bytes = b""
    """What the judge left on descriptor 4, a file that it may write over: up to its first NUL."""
