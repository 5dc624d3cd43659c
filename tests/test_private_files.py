"""What holds conversations is its owner's alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from perpend.private_files import open_to_others, private_file, private_folder
from perpend.storage.store import Store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_made_with_all_that_is_missing_above_it(tmp_path: Path) -> None:
    private_folder(tmp_path / "a" / "b")
    assert [rights(tmp_path / name) for name in ("a", "a/b")] == [0o700, 0o700]


def test_a_folder_that_is_there_stays_as_its_owner_wants_it(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    private_folder(tmp_path / "shared")
    assert rights(tmp_path / "shared") == 0o755
    assert open_to_others(tmp_path / "shared")


def test_a_file_is_made_and_one_that_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    for name in ("new", "old"):
        private_file(tmp_path / name)
        assert rights(tmp_path / name) == 0o600
    assert (tmp_path / "old").read_text() == "kept"


def test_the_store_and_its_log_are_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Store.open(home / "perpend.db"):
        assert rights(home) == 0o700
        assert {rights(path) for path in home.iterdir()} == {0o600}
        assert len([*home.iterdir()]) > 1
