"""`perpend sandbox`: run a program in the sandbox of models' programs."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from perpend.cli.console import note, print_row
from perpend.cli.options import Count, Degree, Json
from perpend.errors import BadRequest
from perpend.sandbox import DEFAULT_LIMITS, Limits, Outcome, Sandbox

_SHOWN = ("stdout", "stderr", "exit_code", "timed_out", "killed_by")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """What a program may use, in the command line's units."""

    wall_s: Degree = DEFAULT_LIMITS.wall_s
    """Seconds that it may take."""
    cpu_s: Degree = DEFAULT_LIMITS.cpu_s
    """Seconds of CPU, of all its processes together."""
    memory_mb: Count = DEFAULT_LIMITS.memory_bytes >> 20
    """Memory (MiB) of all its processes together."""
    processes: Count = DEFAULT_LIMITS.processes
    """Processes and threads."""
    disk_mb: Count = DEFAULT_LIMITS.disk_bytes >> 20
    """Files (MiB) in /tmp, the only place that it can write."""
    output_kb: Count = DEFAULT_LIMITS.output_bytes >> 10
    """Stdout and stderr (KiB), each."""

    def limits(self) -> Limits:
        """The limits in seconds and bytes. Raises BadRequest for a time of 0."""
        for name in ("wall_s", "cpu_s"):
            if getattr(self, name) <= 0:
                raise BadRequest(f"{name} must be more than 0", field=f"--{name.replace('_', '-')}")
        return Limits(
            wall_s=self.wall_s,
            cpu_s=self.cpu_s,
            memory_bytes=self.memory_mb << 20,
            processes=self.processes,
            disk_bytes=self.disk_mb << 20,
            output_bytes=self.output_kb << 10,
        )


def sandbox(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    stdin: Path | None = None,
    limits: LimitOptions = LimitOptions(),
    json: Json = False,
) -> None:
    """Run a Python program in the sandbox in which models' programs run.

    Its stdout and stderr come out as they are, and the exit status is the program's: 128 + the signal where it was
    killed, and then a line on stderr says why.

    Examples: `perpend sandbox program.py --stdin input.txt`, `perpend sandbox program.py --wall-s 2 --json`

    Parameters
    ----------
    file
        The program; "-" for stdin.
    stdin
        A file that the program reads as its stdin.
    json
        Print one object with `stdout`, `stderr`, `exit_code`, `timed_out` and `killed_by` (null, `wall`, `cpu`,
        `memory`, `processes`, `output`, `disk`, or a signal such as `SIGSEGV`); the exit status is 0 then.
    """
    allowed = limits.limits()
    program = _read(file, "FILE")
    input_data = b"" if stdin is None else _read(stdin, "--stdin")
    outcome = asyncio.run(_run(program, input_data, allowed))
    if json:
        print_row({name: getattr(outcome, name) for name in _SHOWN})
        return
    sys.stdout.write(outcome.stdout)
    sys.stderr.write(outcome.stderr)
    sys.stdout.flush()
    if outcome.killed_by:
        note(f"perpend: ended by {outcome.killed_by} after {outcome.wall_s:.2f} s")
    raise SystemExit(outcome.exit_code)


async def _run(program: bytes, stdin: bytes, limits: Limits) -> Outcome:
    async with Sandbox(1) as box:
        return await box.run(program, stdin, limits)


def _read(path: Path, field: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}", field=field) from None
