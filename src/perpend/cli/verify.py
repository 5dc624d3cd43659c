"""`perpend verify`: a verifier by itself, for one answer or a file of them."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from msgspec import Struct

from perpend.cli.console import print_row
from perpend.errors import BadRequest
from perpend.types import Candidate

_AT_ONCE = 64


class _Row(Struct):
    gold: str
    pred: str


def verify(
    kind: str,
    /,
    *,
    gold: str | None = None,
    answer: str | None = None,
    jsonl: Annotated[Path | None, Parameter(help='Rows {"gold": …, "pred": …}; "-" for stdin.')] = None,
) -> None:
    r"""Check an answer against the right one, and print the verdict as JSON.

    With --gold and --answer the exit status is 0 where it passed and 1 where it didn't.

    Examples: `perpend verify math --gold '\frac12' --answer 'So it is 0.5.'`, `perpend verify math --jsonl rows.jsonl`

    Parameters
    ----------
    kind
        math, choice, exact, regex or schema.
    gold
        The right answer; for regex a pattern, for schema a JSON schema.
    answer
        What is to be checked: an answer, or a whole solution that ends in one.
    """
    if jsonl is not None:
        asyncio.run(_all(kind, _rows(jsonl)))
        return
    if gold is None or answer is None:
        raise BadRequest("nothing to check", hint="give --gold and --answer, or --jsonl FILE", field="--gold")
    if not asyncio.run(_one(kind, _Row(gold, answer))):
        raise SystemExit(1)


async def _one(kind: str, row: _Row) -> bool:
    from perpend.verifiers import Task, verifiers

    verifier = verifiers.get(kind, field="KIND")()
    try:
        verdict = await verifier.verify(Task(gold=row.gold), Candidate(answer=row.pred))
    finally:
        await verifier.aclose()
    print_row(verdict)
    return verdict.passed


async def _all(kind: str, rows: list[_Row]) -> None:
    """In the order of the rows, each as soon as all before it are there."""
    from perpend.verifiers import Task, verifiers

    verifier = verifiers.get(kind, field="KIND")()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(row: _Row) -> Any:
        async with gate:
            return await verifier.verify(Task(gold=row.gold), Candidate(answer=row.pred))

    tasks = [asyncio.create_task(one(row)) for row in rows]
    try:
        for task in tasks:
            print_row(await task)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await verifier.aclose()


def _rows(path: Path) -> list[_Row]:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}", field="--jsonl") from None
    rows: list[_Row] = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                rows.append(msgspec.json.decode(line, type=_Row))
            except msgspec.DecodeError as error:
                hint = 'each line is an object with "gold" and "pred"'
                raise BadRequest(f"{path}:{number}: {error}", hint=hint, field="--jsonl") from None
    return rows
