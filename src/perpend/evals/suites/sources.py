"""Find a suite's files and read their rows: JSON lines, JSON, CSV or Parquet, gzipped or not.

JSON may have Python's Infinity and NaN, which some suites' tests need.
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
    """One form in which a suite is published."""

    file: str
    """Under the user's folder or that of pulled files; may be a glob, or name each of `parts`."""
    package: str | None = None
    """An installed package that carries it, as `member`."""
    member: str | None = None
    url: str | None = None
    """`hub:REPO/FILE` is a data set's file on the Hugging Face hub."""
    parts: tuple[str, ...] = ()
    sha256: str | None = None
    """Of all parts in order; None where only the server states digests."""
    columns: dict[str, str] = field(default_factory=dict[str, str])
    """Our name of a column, and the file's."""
    rows: str | None = None
    """The key of the rows where a file is one object."""
    adapter: str = "as_is"

    def addresses(self) -> list[tuple[str, str]]:
        """The files that `pull` fetches, each with its URL."""
        if self.url is None:
            return []
        parts = self.parts or ("",)
        return [(self.file.format(part=part), _address(self.url.format(part=part))) for part in parts]


class LocatedSource(Struct, frozen=True):
    """A source whose files are on this machine."""

    source: SuiteSource
    paths: tuple[Path, ...]
    where: str
    """`PERPEND_DATA`, the package's name, or `pulled`."""


def pulled_folder(home: Path) -> Path:
    """The folder of pulled files."""
    return home / "evals"


def find(sources: tuple[SuiteSource, ...], home: Path) -> LocatedSource | None:
    """Find the files: in the folder that PERPEND_DATA names, else in a package, else among pulled files."""
    finders: list[Callable[[SuiteSource], LocatedSource | None]] = [_in_package]
    if user_folder := os.environ.get("PERPEND_DATA"):
        finders.insert(0, partial(_in_folder, folder=Path(user_folder), where="PERPEND_DATA"))
    finders.append(partial(_in_folder, folder=pulled_folder(home), where="pulled"))
    return next((found for finder in finders for source in sources if (found := finder(source))), None)


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
        for cells in read(path, found.source.rows):
            row = {"part": path.name.partition(".")[0], **cells}
            yield row | {
                our_name: row[file_name] for our_name, file_name in columns.items() if file_name in row
            }


def read(path: Path, key: str | None = None) -> list[Row]:
    """`key` names the rows where the file is one object: a list, or an object of rows by their ids.

    Raises BadRequest where the file can't be read, ConfigError where reading it needs a package.
    """
    return [row for _, row in numbered(path, key)]


def numbered(path: Path, key: str | None = None) -> list[tuple[int, Row]]:
    """As `read`, with the line on which each row begins, or its number where rows aren't lines. Raises as `read`
    does.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror or error}", field="SUITE") from None
    data = data.removeprefix(BOM_UTF8)
    suffix = path.name.removesuffix(".gz").rpartition(".")[2]
    if suffix == "parquet":
        return [*enumerate(_parquet(data), 1)]
    try:
        if suffix == "csv":
            return _csv(data.decode())
        if suffix == "jsonl":
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
        extra_lines = sum(cell.count("\n") for cell in row.values() if cell)
        rows.append((reader.line_num - extra_lines, dict(row)))
    return rows


def _rows(value: Any, key: str | None) -> list[Row]:
    rows = value[key] if key else value
    if isinstance(rows, dict):
        by_id = cast("Mapping[str, Row]", rows)
        return [{"id": name, **row} for name, row in by_id.items()]
    return rows


def _parquet(data: bytes) -> list[Row]:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError("this suite comes as Parquet", hint=install("pyarrow")) from None
    return parquet.read_table(io.BytesIO(data)).to_pylist()
