"""Where a suite's files are, and what rows they hold: JSON lines, JSON, CSV, Parquet, any of them gzipped.

JSON is read as Python writes it: some suites' tests have infinities.
"""

import csv
import gzip
import io
import json
import os
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from msgspec import Struct, field

from perpend.engine.catalogue import HubSource
from perpend.errors import UNREADABLE, BadRequest, ConfigError
from perpend.extras import install

Row = dict[str, Any]


class SuiteSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One form in which a suite comes."""

    file: str
    """Under the user's folder or that of pulled files; may be a glob, or name each of `parts`."""
    package: str | None = None
    """An installed package that carries it, as `member`."""
    member: str | None = None
    url: str | None = None
    """`hub:REPO/FILE` is a data set's file on the Hugging Face hub."""
    parts: tuple[str, ...] = ()
    sha256: str | None = None
    """Of all parts in order; None where only the server can tell."""
    columns: dict[str, str] = field(default_factory=dict[str, str])
    """Our name of a column, and the file's."""
    rows: str | None = None
    """The key of the rows where a file is one object."""
    adapter: str = "as_is"

    def addresses(self) -> list[tuple[str, str]]:
        """What `pull` fetches: file and URL."""
        if self.url is None:
            return []
        parts = self.parts or ("",)
        return [(self.file.format(part=part), _address(self.url.format(part=part))) for part in parts]


class LocatedSource(Struct, frozen=True):
    """Files that are here."""

    source: SuiteSource
    paths: tuple[Path, ...]
    where: str
    """`PERPEND_DATA`, the package's name, or `pulled`."""


def pulled_folder(home: Path) -> Path:
    return home / "evals"


def find(sources: tuple[SuiteSource, ...], home: Path) -> LocatedSource | None:
    """In the user's folder, else in a package, else among the pulled files."""
    places: list[Callable[[SuiteSource], LocatedSource | None]] = [_in_package]
    if named := os.environ.get("PERPEND_DATA"):
        places.insert(0, partial(_in_folder, folder=Path(named), where="PERPEND_DATA"))
    places.append(partial(_in_folder, folder=pulled_folder(home), where="pulled"))
    return next((found for place in places for source in sources if (found := place(source))), None)


def _in_folder(source: SuiteSource, folder: Path, where: str) -> LocatedSource | None:
    names = [source.file.format(part=part) for part in source.parts] or [source.file]
    paths = tuple(path for name in names for path in sorted(folder.glob(name)))
    whole = len(paths) >= len(names)
    return LocatedSource(source, paths, where) if paths and whole else None


def _in_package(source: SuiteSource) -> LocatedSource | None:
    if source.package is None or source.member is None or (spec := find_spec(source.package)) is None:
        return None
    for folder in spec.submodule_search_locations or ():
        if (path := Path(folder) / source.member).exists():
            return LocatedSource(source, (path,), source.package)
    return None


def _address(url: str) -> str:
    if not url.startswith("hub:"):
        return url
    owner, name, file = url.removeprefix("hub:").split("/", 2)
    return HubSource(f"datasets/{owner}/{name}", file).url


def rows_of(found: LocatedSource) -> Iterator[Row]:
    """Each row under our names of its columns, with `part`: the name of its file. Raises BadRequest, ConfigError."""
    columns = {"gold": "answer", **found.source.columns}
    for path in found.paths:
        for held in read(path, found.source.rows):
            row = {"part": path.name.partition(".")[0], **held}
            yield row | {ours: row[theirs] for ours, theirs in columns.items() if theirs in row}


def read(path: Path, key: str | None = None) -> list[Row]:
    """`key` names the rows where the file is one object: a list, or an object of rows by their ids.

    Raises BadRequest where the file can't be read, ConfigError where reading it needs a package.
    """
    return [row for _, row in numbered(path, key)]


def numbered(path: Path, key: str | None = None) -> list[tuple[int, Row]]:
    """As `read`, each with the line that it begins on, or its number where rows aren't lines. Raises as `read` does."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror or error}", field="SUITE") from None
    data = data.removeprefix(BOM_UTF8)
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        return [*enumerate(_parquet(data), 1)]
    try:
        if kind == "csv":
            return _csv(data.decode())
        if kind == "jsonl":
            return _lines(path, data)
        return [*enumerate(_rows(json.loads(data), key), 1)]
    except (*UNREADABLE, csv.Error) as error:
        raise BadRequest(f"{path}: {error}", field="SUITE") from None


def _lines(path: Path, data: bytes) -> list[tuple[int, Row]]:
    rows: list[tuple[int, Row]] = []
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                rows.append((number, _object(json.loads(line))))
            except UNREADABLE as error:
                raise BadRequest(f"{path}:{number}: {error}", field="SUITE") from None
    return rows


def _object(value: Any) -> Row:
    if not isinstance(value, dict):
        raise ValueError("it isn't an object")
    return cast("Row", value)


def _csv(text: str) -> list[tuple[int, Row]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows: list[tuple[int, Row]] = []
    for row in reader:
        if reader.restkey in row:
            raise ValueError(f"line {reader.line_num} has more cells than there are columns")
        further = sum(cell.count("\n") for cell in row.values() if cell)
        rows.append((reader.line_num - further, dict(row)))
    return rows


def _rows(value: Any, key: str | None) -> list[Row]:
    held = value[key] if key else value
    if isinstance(held, dict):
        named = cast("Mapping[str, Row]", held)
        return [{"id": name, **row} for name, row in named.items()]
    return held


def _parquet(data: bytes) -> list[Row]:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError("this suite comes as Parquet", hint=install("pyarrow")) from None
    return parquet.read_table(io.BytesIO(data)).to_pylist()
