"""A run's folder: `run.json` has its settings, `problems.jsonl` its problems, `samples.jsonl` a line for each sample,
and `events.jsonl` a line for each sample's events.

Events are written before their sample. A process that is killed between the two leaves events without a sample; the
sample is asked again, and its last events count.
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
        """Open a new run, or continue one. Raises BadRequest where another run is there, StorageError."""
        try:
            private_folder(path)
            header_file = path / "run.json"
            if header_file.exists():
                known = read_header(path)
                if known.settings != header.settings:
                    raise BadRequest(
                        f"{path} holds a run with other settings: {_difference(known.settings, header.settings)}",
                        hint="name another folder, or give the same settings to go on with it",
                        field="--out",
                    )
                header = known
            else:
                _write(
                    path / "problems.jsonl", b"".join(LINE.encode(problem) + b"\n" for problem in problems)
                )
                _write(header_file, msgspec.json.format(LINE.encode(header)) + b"\n")
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}", hint="name another folder with --out") from error
        return cls(path, header)

    def add(self, sample: Sample, events: tuple[Moment, ...] = ()) -> None:
        """Write a sample's events, then the sample. Raises StorageError."""
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
    """Copy a run to the folder `out`, and return `out`. Raises BadRequest where another run is there, StorageError."""
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
    """Read run.json. Raises BadRequest where it's no run's folder."""
    try:
        return msgspec.json.decode(_read_file(path, "run.json"), type=Header)
    except ValueError as error:
        raise BadRequest(f"{path}/run.json: {error}", field="RUN") from None


def read_problems(path: Path) -> dict[str, Problem]:
    """By id, in the order of the suite. Raises BadRequest where it's no run's folder."""
    lines = _read_file(path, "problems.jsonl").splitlines()
    problems = [msgspec.json.decode(line, type=Problem) for line in lines]
    return {problem.id: problem for problem in problems}


def read_samples(path: Path) -> list[Sample]:
    """The samples so far: whole lines only, since the run may be under way. Raises ValueError for a malformed line."""
    return read_lines(path / "samples.jsonl", Sample)


def read_events(path: Path) -> dict[tuple[str, int], tuple[Moment, ...]]:
    """Events by problem and sample number, where the target reports them. Raises ValueError for a malformed line."""
    found = read_lines(path / "events.jsonl", Moments)
    return {(line.problem, line.number): line.events for line in found}


def _read_file(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except FileNotFoundError:
        raise BadRequest(f"{path} isn't the folder of a run: there is no {name}", field="RUN") from None


def _write(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)


def _difference(known: RunSettings, other: RunSettings) -> str:
    fields = [name for name in RunSettings.__struct_fields__ if getattr(known, name) != getattr(other, name)]
    return ", ".join(fields)
