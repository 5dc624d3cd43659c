"""`perpend sandbox`: a program that nobody trusts, run as models' programs are."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from perpend.cli.console import note, print_row
from perpend.cli.options import Count, Degree, Json
from perpend.errors import BadRequest
from perpend.sandbox import DEFAULT_LIMITS, Limits, Outcome, Sandbox

_SHOWN = ("stdout", "stderr", "exit_code", "timed_out", "killed_by")


def sandbox(  # noqa: PLR0913 -- options of a command
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    stdin: Path | None = None,
    wall_s: Degree = DEFAULT_LIMITS.wall_s,
    cpu_s: Degree = DEFAULT_LIMITS.cpu_s,
    memory_mb: Count = DEFAULT_LIMITS.memory_bytes >> 20,
    processes: Count = DEFAULT_LIMITS.processes,
    disk_mb: Count = DEFAULT_LIMITS.disk_bytes >> 20,
    output_kb: Count = DEFAULT_LIMITS.output_bytes >> 10,
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
    wall_s
        Seconds that it may take.
    cpu_s
        Seconds of CPU, of all its processes together.
    memory_mb
        Memory (MiB) of all its processes together.
    processes
        Processes and threads.
    disk_mb
        Files (MiB) in /tmp, the only place that it can write.
    output_kb
        Stdout and stderr (KiB), each.
    json
        Print one object with `stdout`, `stderr`, `exit_code`, `timed_out` and `killed_by` (null, `wall`, `cpu`,
        `memory`, `processes`, `output`, `disk`, or a signal such as `SIGSEGV`); the exit status is 0 then.
    """
    limits = Limits(
        wall_s=wall_s,
        cpu_s=cpu_s,
        memory_bytes=memory_mb << 20,
        processes=processes,
        disk_bytes=disk_mb << 20,
        output_bytes=output_kb << 10,
    )
    for name, value in msgspec.structs.asdict(limits).items():
        if value <= 0:
            raise BadRequest(f"{name} must be more than 0", field=f"--{name.replace('_', '-')}")
    outcome = asyncio.run(
        _run(_read(file, "FILE"), b"" if stdin is None else _read(stdin, "--stdin"), limits)
    )
    if json:
        print_row(
            {
                name: getattr(outcome, name)
                for name in ("stdout", "stderr", "exit_code", "timed_out", "killed_by")
            }
        )
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
