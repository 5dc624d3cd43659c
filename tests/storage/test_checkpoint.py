"""What was committed moves into the database file; a log that never catches up is made to start over."""

import sqlite3
from pathlib import Path

import pytest
from ledger_rows import ledger_row

from perpend.storage import checkpoint
from perpend.storage.sqlite import connect
from perpend.storage.store import Store


@pytest.mark.parametrize("long_log", [3, 1_000_000])
def test_rows_reach_the_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long_log: int) -> None:
    monkeypatch.setattr(checkpoint, "_LONG_LOG", long_log)
    path, copy = tmp_path / "perpend.db", tmp_path / "copy.db"
    with Store.open(path) as store:
        for _ in range(20):
            store.writer.write_now([ledger_row()])
        connection = connect(path)
        said: list[str] = []
        connection.set_trace_callback(said.append)
        checkpoint.checkpoint(connection)
        connection.close()
        assert any("RESTART" in statement for statement in said) == (long_log == 3)
        copy.write_bytes(path.read_bytes())  # without its log
        store.writer.write_now([ledger_row()])
    without_log = sqlite3.connect(copy)
    assert without_log.execute("SELECT count(*) FROM requests").fetchone() == (20,)
    without_log.close()
