"""Runs that other harnesses made, and how they become folders that all of `perpend eval` reads."""

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
"""The verifier that an imported problem names: another harness's graders can't be had."""
FAILED = "failed"
"""The code of a sample that the other harness has no answer for."""
_T = TypeVar("_T")


class ForeignRun(Struct, frozen=True, kw_only=True):
    """One run, as it will stand in its folder."""

    name: str
    """Such as the log's file: unlike that of any other run that was read beside it."""
    header: Header
    problems: Sequence[Problem]
    samples: Sequence[Sample]


def keep(run: ForeignRun, path: Path) -> None:
    """Into a new folder. Raises BadRequest where a run is there already, StorageError."""
    if (path / "run.json").exists():
        raise BadRequest(f"{path} holds a run already", hint="name another folder", field="--out")
    with RunFolder.open(path, run.header, run.problems) as folder:
        for sample in run.samples:
            folder.add(sample)


def judged(mark: object) -> Verdict | None:
    """Full marks pass, and nothing else does. None where it's no number, or the number of what wasn't marked."""
    if not isinstance(mark, bool | int | float) or math.isnan(mark):
        return None
    return Verdict(min(max(float(mark), 0.0), 1.0), mark >= 1)


def decoded(data: bytes, kind: type[_T], place: str) -> _T:
    """Whatever `kind` doesn't name is let be. Raises BadRequest."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{place}: {error}", field="FILE") from None
    except UNREADABLE:
        pass
    try:
        # Python's own JSON has NaN and Infinity, which harnesses write for figures that don't exist.
        return msgspec.convert(json.loads(data), kind)
    except UNREADABLE as error:
        raise BadRequest(f"{place}: {error}", field="FILE") from None
