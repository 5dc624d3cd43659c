"""Runs a client's cells in one process: a line of JSON for each, with what the client shows or how it failed."""

import asyncio
import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path

ASKED: dict[str, list[str]] = json.loads(os.environ["MATRIX_PROMPTS"])
"""The prompts of each cell."""
IMAGE = Path(os.environ["MATRIX_IMAGE"])


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: the first
        b: the second
    """
    return a + b


def run(**cells: Callable[..., object]) -> None:
    """`cells`: functions of the prompts by the cell's name, `_` for a blank; a list is a stream in pieces."""
    with asyncio.Runner() as runner:
        for name, prompts in ASKED.items():
            print(
                json.dumps({"cell": name, "said": _said(runner, cells.get(name.replace(" ", "_")), prompts)}),
                flush=True,
            )


def _said(
    runner: asyncio.Runner, cell: Callable[..., object] | None, prompts: list[str]
) -> dict[str, object]:
    if cell is None:
        return {"missing": True}
    try:
        value = cell(*prompts)
        if inspect.iscoroutine(value):
            value = runner.run(value)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"pieces": value} if isinstance(value, list) else {"text": str(value)}
