"""Limits of a run, and its outcome."""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one run, all its processes together. A program that reaches one is killed, or refused more."""

    wall_s: float = 10.0
    """Wall-clock seconds."""
    cpu_s: float = 10.0
    """CPU seconds, all cores together."""
    memory_bytes: int = 512 << 20
    """Bytes in memory, files in /tmp included; an address space may be a GiB larger."""
    processes: int = 64
    """Number of processes and threads."""
    disk_bytes: int = 64 << 20
    """Bytes of all files in /tmp together; without namespaces no file can be written."""
    output_bytes: int = 1 << 20
    """Bytes of stdout, of stderr, and of a judge's report, each."""


DEFAULT_LIMITS = Limits()
LIMIT_NAMES = ("wall", "cpu", "memory", "processes", "output", "disk")
"""Names of the limits that end a run, as `Outcome.killed_by` has them."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How a program ended."""

    stdout: str
    stderr: str
    exit_code: int
    """A shell's exit status: 128 + the signal where it was killed."""
    timed_out: bool
    """The run reached `wall_s` or `cpu_s`."""
    killed_by: str | None = None
    """The limit that was reached, one of LIMIT_NAMES; `judge` where the program still ran when its judge ended; the
    signal that ended it, such as `SIGSEGV`; None where it ended by itself."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    report: bytes = b""
    """The judge's report: what it wrote to descriptor 4, a file of `output_bytes`, up to the first NUL."""
