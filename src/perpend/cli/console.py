"""Print JSON and tables on stdout, and notes and a progress bar on stderr."""

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:  # the store's commands needn't load an HTTP client
    from rich.table import Table

    from perpend.engine.pull import PullProgress

_PLAIN_EVERY_S = 5.0
_ANY_WIDTH = 10_000


def colours() -> bool:
    """Whether stderr may be coloured (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def print_json(value: object) -> None:
    """Print indented JSON on stdout: paths as text, dollars as numbers with all digits. Raises TypeError for other
    types.
    """
    print(msgspec.json.format(_ENCODER.encode(value)).decode())


def print_row(value: object) -> None:
    """Print one line of JSON on stdout and flush it, so that a program can read rows as they come."""
    print(json_line(value), flush=True)


def print_table(table: "Table") -> None:
    """Print a table on stdout, as wide as its contents: no figure is cut."""
    from rich.console import Console, ConsoleDimensions

    console = Console()
    needed = console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum
    console.size = ConsoleDimensions(max(console.width, needed), console.height)
    console.print(table)


def json_line(value: object) -> str:
    """The value as one line of JSON. Raises TypeError for a type that JSON lacks."""
    return _ENCODER.encode(value).decode()


def _path_as_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON for {type(value)}")


_ENCODER = msgspec.json.Encoder(enc_hook=_path_as_text, decimal_format="number")


def note(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def pull_progress() -> Generator["Callable[[PullProgress], None]", None, None]:
    """A listener that shows a bar with its ETA on a terminal, elsewhere a line every few seconds."""
    if not sys.stderr.isatty():
        yield _plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    task = bar.add_task("fetching", total=None)

    def show(progress: "PullProgress") -> None:
        bar.start()  # nothing is drawn until something is fetched
        if progress.notice:
            bar.console.print(progress.notice)
        bar.update(task, completed=progress.done, total=progress.total)

    try:
        yield show
    finally:
        bar.stop()


def _plain() -> "Callable[[PullProgress], None]":
    printed_at = 0.0

    def show(progress: "PullProgress") -> None:
        nonlocal printed_at
        if progress.notice:
            note(progress.notice)
        now = time.monotonic()
        if now - printed_at >= _PLAIN_EVERY_S or progress.done == progress.total:
            printed_at = now
            note(f"  {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB")

    return show
