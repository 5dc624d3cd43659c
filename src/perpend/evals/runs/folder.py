"""A run's folder: `run.json` says what it is, `problems.jsonl` what was asked, and `samples.jsonl` grows by a line for
each sample, after `events.jsonl` did by what happened in it.

A sample that is there has its events; events may be there twice, or of a sample that isn't, where a process was killed
between the two lines: the last ones count.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest, StorageError
from perpend.evals.problems import Problem
from perpend.evals.runs.lines import LINE, LineFile, LineWriter, read_lines
from perpend.evals.runs.log import Moment, Moments
from perpend.evals.runs.samples import RunSettings, Sample
from perpend.private_files import private_folder


class Header(Struct, frozen=True, kw_only=True):
    """run.json."""

    settings: RunSettings
    started: str
    """When, in ISO 8601."""
    versions: dict[str, str]
    machine: dict[str, Any]


class RunFolder:
    def __init__(self, path: Path, header: Header) -> None:
        """Raises StorageError."""
        self.path = path
        self.header = header
        self._lines = LineFile(path / "samples.jsonl", Sample)
        self._events = LineWriter[Moments](path / "events.jsonl")

    @property
    def samples(self) -> list[Sample]:
        return self._lines.rows

    @classmethod
    def open(cls, path: Path, header: Header, problems: Sequence[Problem]) -> Self:
        """A new run, or one to go on with. Raises BadRequest where another run is there, StorageError."""
        try:
            private_folder(path)
            place = path / "run.json"
            if place.exists():
                known = read_header(path)
                if known.settings != header.settings:
                    raise BadRequest(
                        f"{path} holds a run with other settings: {_difference(known.settings, header.settings)}",
                        hint="name another folder, or give the same settings to go on with it",
                        field="--out",
                    )
                header = known
            else:
                _write(path / "problems.jsonl", b"".join(LINE.encode(one) + b"\n" for one in problems))
                _write(place, msgspec.json.format(LINE.encode(header)) + b"\n")
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}", hint="name another folder with --out") from error
        return cls(path, header)

    def add(self, sample: Sample, events: tuple[Moment, ...] = ()) -> None:
        """Both are on the disk when this returns, events first. Raises StorageError."""
        if events:
            self._events.add(Moments(problem=sample.problem, number=sample.number, events=events))
        self._lines.add(sample)

    def close(self) -> None:
        self._lines.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def copied(run: Path, out: Path) -> Path:
    """`out`, which holds a copy of the run from then on. Raises BadRequest where another run is there, StorageError."""
    header = read_header(run)
    if not (out / "run.json").exists():
        try:
            private_folder(out)
            for name in ("problems.jsonl", "samples.jsonl", "events.jsonl", "run.json"):
                if (run / name).exists():
                    shutil.copyfile(run / name, out / name)
        except OSError as error:
            raise StorageError(f"{out}: {error.strerror}", hint="name another folder with --out") from error
    elif read_header(out).settings != header.settings:
        raise BadRequest(f"{out} holds another run", hint="name another folder", field="--out")
    return out


def read_header(path: Path) -> Header:
    """Raises BadRequest where it's no run's folder."""
    try:
        return msgspec.json.decode(_of_run(path, "run.json"), type=Header)
    except ValueError as error:
        raise BadRequest(f"{path}/run.json: {error}", field="RUN") from None


def read_problems(path: Path) -> dict[str, Problem]:
    """By id, in the order of the suite. Raises BadRequest where it's no run's folder."""
    lines = _of_run(path, "problems.jsonl").splitlines()
    found = [msgspec.json.decode(line, type=Problem) for line in lines]
    return {problem.id: problem for problem in found}


def read_samples(path: Path) -> list[Sample]:
    """Whole lines only: a run that is under way may be read too."""
    return read_lines(path / "samples.jsonl", Sample)


def read_events(path: Path) -> dict[tuple[str, int], tuple[Moment, ...]]:
    """By a sample's problem and number; targets that tell nothing have none."""
    found = read_lines(path / "events.jsonl", Moments)
    return {(one.problem, one.number): one.events for one in found}


def _of_run(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except FileNotFoundError:
        raise BadRequest(f"{path} isn't the folder of a run: there is no {name}", field="RUN") from None


def _write(place: Path, data: bytes) -> None:
    """Whole or not at all."""
    beside = place.with_suffix(".part")
    beside.write_bytes(data)
    beside.replace(place)


def _difference(one: RunSettings, other: RunSettings) -> str:
    fields = [name for name in RunSettings.__struct_fields__ if getattr(one, name) != getattr(other, name)]
    return ", ".join(fields)
