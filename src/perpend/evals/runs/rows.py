"""Rows of graded answers, read from JSON lines and grouped by problem."""

import sys
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from perpend.errors import UNREADABLE, BadRequest

_Count = Annotated[int, Meta(ge=0)]
_Amount = Annotated[float, Meta(ge=0)]


class SampleRow(Struct, frozen=True, kw_only=True):
    """One sample. Other fields of its line are ignored."""

    problem: str | int
    correct: bool | Annotated[int, Meta(ge=0, le=1)]
    answer: Any = None
    """Null or an empty text: nothing was answered."""
    thinking_tokens: _Count | None = None
    cost_usd: _Amount | None = None
    seconds: _Amount | None = None
    truncated: bool | None = None
    refused: bool | None = None
    reward: float | None = None
    """A reward model's score; higher is better."""
    budget: _Count | None = None
    """Thinking tokens that were allowed."""

    @property
    def answer_text(self) -> str | None:
        """The answer as a text, by which votes are counted; None where there is none."""
        text = self.answer if isinstance(self.answer, str) else msgspec.json.encode(self.answer).decode()
        return None if self.answer is None else text.strip() or None


Groups = Mapping[str, Sequence[SampleRow]]
"""The samples of each problem, in the order of the file."""


def read_rows(path: Path, *, field: str = "FILE") -> list[SampleRow]:
    """Read rows; `-` is stdin. Raises BadRequest naming the line and the field."""
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}", field=field) from None
    rows = list(_decoded(path, data, field))
    if not rows:
        raise BadRequest(f"{path} holds no rows", hint=_HINT, field=field)
    return rows


_HINT = (
    'each line is an object with "problem" and "correct"; "answer", "thinking_tokens", "cost_usd", "seconds", '
    '"truncated", "refused", "reward" and "budget" may be there too'
)


def _decoded(path: Path, data: bytes, field: str) -> Iterator[SampleRow]:
    decoder = msgspec.json.Decoder(SampleRow)
    for number, line in enumerate(data.removeprefix(BOM_UTF8).splitlines(), 1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except UNREADABLE as error:
                raise BadRequest(f"{path}:{number}: {error}", hint=_HINT, field=field) from None


def by_problem(rows: Sequence[SampleRow]) -> dict[str, list[SampleRow]]:
    """Group rows by their problem, in the order of first occurrence."""
    groups: dict[str, list[SampleRow]] = defaultdict(list)
    for row in rows:
        groups[str(row.problem)].append(row)
    return dict(groups)


def accuracies(groups: Groups) -> dict[str, float]:
    """The share of each problem's samples that are right."""
    return {problem: fmean(row.correct for row in rows) for problem, rows in groups.items()}
