"""What an engine says is kept, in files of bounded size that nobody else reads."""

import asyncio
import stat
from pathlib import Path

import pytest

from perpend.engine import log
from perpend.engine.log import EngineLog


@pytest.fixture
def kept(tmp_path: Path) -> EngineLog:
    return EngineLog(tmp_path / "logs" / "engine.log")


async def say(kept: EngineLog, *pieces: bytes) -> None:
    said = asyncio.StreamReader()
    keeping = asyncio.create_task(kept.record(said))
    for piece in pieces:
        said.feed_data(piece)
        await asyncio.sleep(0)
    said.feed_eof()
    await keeping


async def test_it_goes_on_over_restarts_and_its_tail_is_of_the_last(kept: EngineLog) -> None:
    await say(kept, b"one\ntw", b"o\n")
    await say(kept, b"three\n", b"and it di")
    assert kept.path.read_bytes() == b"one\ntwo\nthree\nand it di"
    assert kept.tail == ["three", "and it di"]
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600


async def test_it_is_put_aside_once_it_is_long(kept: EngineLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_MAX_BYTES", 1000)
    for number in range(100):
        await say(kept, b"%d %b\n" % (number, b"x" * 90))
    files = sorted(kept.path.parent.iterdir())
    assert [file.name for file in files] == ["engine.log", "engine.log.1"]
    assert all(file.stat().st_size <= 1000 for file in files)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert kept.path.read_bytes().startswith(b"90") or b"99 x" in kept.path.read_bytes()


async def test_a_line_without_an_end_takes_no_more_memory(kept: EngineLog) -> None:
    await say(kept, *[b"x" * 900] * 20)
    assert kept.tail == ["x" * 1000]
    await say(kept, b"y" * 900 + b"\n")
    assert kept.tail == ["y" * 900]


async def test_a_disk_that_takes_nothing_stops_no_engine(kept: EngineLog) -> None:
    kept.path.parent.write_text("a file where the folder should be")
    await say(kept, b"x" * 70_000 + b"\nlast words\n")
    assert kept.tail[-1] == "last words"
