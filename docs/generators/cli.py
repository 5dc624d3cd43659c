"""The command line, from the `--help` of every command."""

import io
from collections.abc import Iterator
from typing import cast

from cyclopts import App
from generators.markdown import NOTE
from rich.console import Console

from perpend.cli.main import app

WIDTH = 90


def cli() -> str:
    """The `--help` text of every command."""
    app.resolved_commands()  # the first page lists their summaries
    pages = [f"## {' '.join(words)}\n\n```text\n{text}```\n" for words, text in _helps(app, ("perpend",))]
    intro = (
        "Exit status: 0; 1: it was tried and failed; 2: what was typed is wrong (an option, a value, a name or a file\n"
        "that isn't there), and nothing was tried; 130: interrupted. Answers go to stdout, all else to stderr.\n"
    )
    return "# The command line\n\n" + NOTE + intro + "\n" + "\n".join(pages)


def _helps(command: App, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, force_terminal=False)
    app.help_print(list(words[1:]), console=console)
    text = cast("io.StringIO", console.file).getvalue()
    yield words, "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    for name, inner in command.resolved_commands().items():
        if not name.startswith("-"):
            yield from _helps(inner, (*words, name))
