"""A store opens fast, makes itself, and says why where it can't."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ledger_rows import ledger_row
from sqlalchemy import select

from perpend.errors import StorageError
from perpend.storage.schema import requests
from perpend.storage.store import Store

OPEN = """
import sys
from pathlib import Path
from perpend.storage.store import Store
Store.open(Path(sys.argv[1])).close()
loaded = [name for name in ("sqlalchemy", "alembic") if name in sys.modules]
print(*loaded)
"""


def open_elsewhere(path: Path) -> str:
    """What a new process had to load to open the store."""
    command = [sys.executable, "-c", OPEN, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class TestOpening:
    def test_it_makes_its_folder_and_tables(self, tmp_path: Path) -> None:
        with Store.open(tmp_path / "a" / "b" / "perpend.db") as store:
            store.check()
            with store.transaction() as connection:
                assert connection.execute(select(requests)).all() == []

    def test_a_current_store_is_opened_without_loading_the_migrator(self, tmp_path: Path) -> None:
        assert open_elsewhere(tmp_path / "perpend.db") == "sqlalchemy alembic"
        assert open_elsewhere(tmp_path / "perpend.db") == ""

    def test_processes_that_make_it_at_once_share_it(self, tmp_path: Path) -> None:
        path = tmp_path / "perpend.db"
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(open_elsewhere, [path] * 4))
        with Store.open(path) as store:
            store.check()

    def test_closing_folds_the_log_into_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "perpend.db"
        with Store.open(path) as store:
            store.writer.write_now([ledger_row()])
            assert Path(f"{path}-wal").stat().st_size > 0
        assert not Path(f"{path}-wal").exists()


class TestWhatCanBeWrong:
    def test_a_store_of_a_newer_version(self, tmp_path: Path) -> None:
        path = tmp_path / "perpend.db"
        Store.open(path).close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        with pytest.raises(StorageError, match=r"newer Perpend.*9999") as refused:
            Store.open(path)
        assert "upgrade" in str(refused.value.hint)

    def test_a_file_that_is_something_else(self, tmp_path: Path) -> None:
        path = tmp_path / "perpend.db"
        path.write_text("these are my holiday notes, and long enough to be a page header" * 20)
        with pytest.raises(StorageError) as refused:
            Store.open(path)
        assert "isn't a Perpend database" in str(refused.value.hint)

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StorageError) as refused:
            Store.open(tmp_path / "file" / "perpend.db")
        assert "writable" in str(refused.value.hint)

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(StorageError) as refused:
            Store.open(tmp_path / "perpend.db")
        assert "writable" in str(refused.value.hint)

    def test_a_file_that_another_process_keeps_locked(self, tmp_path: Path) -> None:
        path = tmp_path / "perpend.db"
        with Store.open(path) as store:
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError) as refused:
                store.check()
            other.close()
            assert "locked" in str(refused.value.hint)
            store.check()
