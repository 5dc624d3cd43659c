"""Files that grow by a line."""

from pathlib import Path

import pytest
from msgspec import Struct

from perpend.errors import StorageError
from perpend.evals.runs.lines import LineFile, read_lines


class Row(Struct):
    n: int


def test_a_line_is_there_when_add_returns(tmp_path: Path) -> None:
    with LineFile(tmp_path / "rows.jsonl", Row) as rows:
        rows.add(Row(1))
        assert read_lines(tmp_path / "rows.jsonl", Row) == [Row(1)]


@pytest.mark.parametrize("cut", [b'{"n":', b'{"n":' + b" " * 200_000])
def test_a_cut_line_is_dropped(tmp_path: Path, cut: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"n":1}\n' + cut)
    assert read_lines(path, Row) == [Row(1)]
    with LineFile(path, Row) as rows:
        rows.add(Row(2))
    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n'


def test_a_folder_that_isnt_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        LineFile(tmp_path / "none" / "rows.jsonl", Row)
