"""A client: how it is installed, configured and run, and what it has no way to do."""

from typing import NamedTuple

from benchmarks.clients.cells import Cell
from benchmarks.clients.environments import Environment


class Client(NamedTuple):
    """One row. `{prompt}`, `{file}`, `{image}`, `{schema}`… in its arguments are filled in for each run."""

    name: str
    environment: Environment
    configuration: dict[str, str]
    """Where the client looks for it, below `home/` or `work/`: a file of configurations/, as docs/guides/clients.md
    shows it."""
    argv: tuple[str, ...]
    """With a `{prompt}`: a process for each turn. Without: a file of programs/ does all cells in one."""
    again: tuple[str, ...] = ()
    """The command for the second turn."""
    more: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 -- read only
    """What stands for `{more}`, by cell."""
    prompts: dict[str, Cell] = {}  # noqa: RUF012
    """Cells that it is asked for in other words."""
    env: dict[str, str] = {}  # noqa: RUF012
    lacks: dict[str, str] = {}  # noqa: RUF012
    """Cells that it has no way to do, and why."""
