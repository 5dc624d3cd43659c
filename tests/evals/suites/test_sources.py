"""Where a suite is found, in which order, and what its files may look like."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from perpend.errors import BadRequest
from perpend.evals.suites.sources import LocatedSource, SuiteSource, find, read, rows_of

COLUMNS = {"question": "problem", "category": "part"}
ROW = {"id": 1, "problem": "1 + 1?", "answer": "2"}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that PERPEND_DATA names."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("PERPEND_DATA", str(folder))
    return folder


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_users_folder_then_a_package_then_what_was_pulled(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SuiteSource(file="a.jsonl", package="suite_package", member="data/a.jsonl")
    assert find((source,), tmp_path) is None
    pulled = written(tmp_path / "evals" / "a.jsonl", "")
    assert find((source,), tmp_path) == LocatedSource(source, (pulled,), "pulled")
    packages = tmp_path / "packages"
    written(packages / "suite_package" / "__init__.py", "")
    carried = written(packages / "suite_package" / "data" / "a.jsonl", "")
    monkeypatch.setattr(sys, "path", [str(packages), *sys.path])
    assert find((source,), tmp_path) == LocatedSource(source, (carried,), "suite_package")
    own = written(mine / "a.jsonl", "")
    assert find((source,), tmp_path) == LocatedSource(source, (own,), "PERPEND_DATA")


def test_a_suite_in_parts_needs_all_of_them(mine: Path, tmp_path: Path) -> None:
    source = SuiteSource(file="s/{part}.json", parts=("x", "y"), rows="examples", columns=COLUMNS)
    written(mine / "s" / "y.json", json.dumps({"examples": [ROW]}))
    assert find((source,), tmp_path) is None
    written(mine / "s" / "x.json", json.dumps({"examples": [ROW]}))
    found = find((source,), tmp_path)
    assert found is not None
    assert [(row["category"], row["question"], row["gold"]) for row in rows_of(found)] == [
        ("x", "1 + 1?", "2"),
        ("y", "1 + 1?", "2"),
    ]


def test_any_form(tmp_path: Path) -> None:
    lines = json.dumps(ROW) + "\n\n"
    assert read(written(tmp_path / "a.jsonl", lines)) == [ROW]
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert read(tmp_path / "a.jsonl.gz") == [ROW]
    assert read(written(tmp_path / "a.json", json.dumps([ROW]))) == [ROW]
    assert read(written(tmp_path / "b.json", '{"eval": {"x": {"y": Infinity}}}'), "eval") == [
        {"id": "x", "y": float("inf")}
    ]
    assert read(written(tmp_path / "a.csv", 'a,b\n"1\n2",ü\n')) == [{"a": "1\n2", "b": "ü"}]


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow isn't installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist([ROW]), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [ROW]


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"a\.jsonl:2: "):
        read(written(tmp_path / "a.jsonl", "{}\n{\n"))
    with pytest.raises(BadRequest, match=r"a\.json: "):
        read(written(tmp_path / "a.json", "["))
    with pytest.raises(BadRequest, match="No such file"):
        read(tmp_path / "nowhere.csv")
