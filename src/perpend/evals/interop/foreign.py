"""Runs of other evaluation harnesses, and how they are saved as folders that `perpend eval` reads."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, BadRequest
from perpend.evals.problems import Problem
from perpend.evals.runs.folder import Header, RunFolder
from perpend.evals.runs.samples import Sample
from perpend.types import Verdict

GRADED_BY = "answer"
"""The verifier of an imported problem: the other harness's graders aren't available."""
FAILED = "failed"
"""The error code of a sample without an answer."""
_T = TypeVar("_T")


class ForeignRun(Struct, frozen=True, kw_only=True):
    """One run, with the contents of its folder."""

    name: str
    """Unique among the runs that are read together, such as the stem of the log's name."""
    header: Header
    problems: Sequence[Problem]
    samples: Sequence[Sample]


def save(run: ForeignRun, path: Path) -> None:
    """Save a run in a new folder. Raises BadRequest where a run is there already, StorageError."""
    if (path / "run.json").exists():
        raise BadRequest(f"{path} holds a run already", hint="name another folder", field="--out")
    with RunFolder.open(path, run.header, run.problems) as folder:
        for sample in run.samples:
            folder.add(sample)


def mark_verdict(mark: object) -> Verdict | None:
    """The verdict of a mark: 1 and more passes. None where the mark isn't a number, or is NaN."""
    if not isinstance(mark, bool | int | float) or math.isnan(mark):
        return None
    return Verdict(min(max(float(mark), 0.0), 1.0), mark >= 1)


def decode(data: bytes, kind: type[_T], source: str) -> _T:
    """Decode JSON as `kind`, ignoring unknown fields. Raises BadRequest, which names `source`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{source}: {error}", field="FILE") from None
    except UNREADABLE:
        pass
    try:
        # Python's own JSON has NaN and Infinity, which harnesses write for figures that don't exist.
        return msgspec.convert(json.loads(data), kind)
    except UNREADABLE as error:
        raise BadRequest(f"{source}: {error}", field="FILE") from None
