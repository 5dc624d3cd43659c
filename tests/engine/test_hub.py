"""Files of the hub, against a stand-in of it: checked by the checksum that it states, resumed, refused when wrong."""

import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perpend.engine.catalogue import catalogue
from perpend.engine.hub import here, named, of_hub
from perpend.engine.pull import PullProgress, pull
from perpend.errors import BadRequest, NotFound, WeightsError

NAME = "hf:someone/Reasoner-GGUF/q4/Reasoner-Q4_K_M.gguf"
CONTENT = random.Random(11).randbytes(5_000_000)
COMMIT = "c0ffee" + "0" * 34


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Hub:
    """States a file's checksum and sends to a second server for its bytes, as the hub does with large ones."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.etag: str | None = f'"{sha256(CONTENT)}"'
        self.small = False
        """Kept in git itself: sent from here, under git's own checksum."""
        self.moved = False
        self.token: str | None = None
        self.drop_after: int | None = None
        self.elsewhere = ""
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and token."""
        self.ranges: list[str | None] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization")
        self.asked.append((request.method, request.path, token))
        if self.token and token != f"Bearer {self.token}":
            return web.Response(status=401, headers={"X-Error-Message": "Access to it is restricted."})
        if self.moved and request.path.startswith("/someone/"):
            renamed = request.path.replace("someone", "renamed", 1)
            return web.Response(status=307, headers={"Location": renamed})
        if not request.path.endswith("q4/Reasoner-Q4_K_M.gguf"):
            return web.Response(status=404, headers={"X-Error-Message": "Entry not found"})
        headers = {"X-Repo-Commit": COMMIT}
        if self.small:
            blob = hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()
            return await self.bytes_of(request, {**headers, "ETag": f'W/"{blob}"'})
        headers |= {"X-Linked-Size": str(len(self.content)), "Location": f"{self.elsewhere}/bytes"}
        if self.etag is not None:
            headers["X-Linked-ETag"] = self.etag
        return web.Response(status=302, headers=headers, text="Found. Redirecting")

    async def bytes_of(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        asked = request.headers.get("Range")
        if request.method == "GET":
            self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        body = self.content[start:]
        headers = {**headers, "Content-Length": str(len(body))}
        response = web.StreamResponse(status=206 if asked else 200, headers=headers)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        await response.write(body[: self.drop_after])
        if self.drop_after is not None:
            self.drop_after = None
            assert request.transport is not None
            request.transport.close()
        return response

    async def cdn(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path, request.headers.get("Authorization")))
        return await self.bytes_of(request, {"ETag": '"0123456789abcdef0123456789abcdef-12"'})


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    served = Hub()
    front, behind = web.Application(), web.Application()
    front.router.add_get("/{tail:.*}", served.answer)
    behind.router.add_get("/{tail:.*}", served.cdn)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    async with TestServer(front) as server, TestServer(behind, host="localhost") as other:
        monkeypatch.setenv("HF_ENDPOINT", str(server.make_url("")))
        served.elsewhere = str(other.make_url("")).rstrip("/")
        yield served


def left(home: Path) -> list[str]:
    """Files under the weights, other than locks."""
    files = [path for path in (home / "weights").rglob("*") if path.is_file()]
    return sorted(path.name for path in files if path.suffix != ".lock")


async def test_a_file_is_pulled_and_matches_what_the_hub_states(hub: Hub, tmp_path: Path) -> None:
    seen: list[PullProgress] = []
    path = await pull(of_hub(NAME), tmp_path, seen.append)
    assert path == tmp_path / "weights/hf/someone/Reasoner-GGUF/q4/Reasoner-Q4_K_M.gguf"
    assert path.read_bytes() == CONTENT
    assert left(tmp_path) == [path.name]
    assert seen[-1].done == seen[-1].total == len(CONTENT)
    assert hub.asked[0][:2] == ("HEAD", "/someone/Reasoner-GGUF/resolve/main/q4/Reasoner-Q4_K_M.gguf")
    assert hub.asked[1][:2] == ("GET", f"/someone/Reasoner-GGUF/resolve/{COMMIT}/q4/Reasoner-Q4_K_M.gguf")
    assert [one.name for one in here(tmp_path)] == [NAME]
    asked = len(hub.asked)
    await pull(of_hub(NAME), tmp_path)
    assert len(hub.asked) == asked, "what is here is asked of nobody"


async def test_a_dropped_connection_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.drop_after = 3_000_000
    assert (await pull(of_hub(NAME), tmp_path)).read_bytes() == CONTENT
    assert hub.ranges[0] is None
    assert hub.ranges[1] is not None


class Stop(Exception):
    pass


def stop(progress: PullProgress) -> None:
    if progress.done > 2_000_000:
        raise Stop


async def test_a_pull_that_was_stopped_is_gone_on_with_by_the_next(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        await pull(of_hub(NAME), tmp_path, stop)
    (kept,) = (tmp_path / "weights").rglob("*.partial")
    size = kept.stat().st_size
    assert not of_hub(NAME).pulled(tmp_path)
    assert here(tmp_path) == []
    assert (await pull(of_hub(NAME), tmp_path)).read_bytes() == CONTENT
    assert hub.ranges[-1] == f"bytes={size}-"


async def test_a_file_that_was_changed_meanwhile_is_fetched_anew(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        await pull(of_hub(NAME), tmp_path, stop)
    hub.content = CONTENT[::-1]
    hub.etag = f'"{sha256(hub.content)}"'
    assert (await pull(of_hub(NAME), tmp_path)).read_bytes() == hub.content
    assert hub.ranges[-1] is None


async def test_other_bytes_than_were_stated_are_refused_and_nothing_is_left(hub: Hub, tmp_path: Path) -> None:
    hub.content = b"x" + CONTENT[1:]
    with pytest.raises(WeightsError, match=sha256(hub.content)) as refused:
        await pull(of_hub(NAME), tmp_path)
    assert sha256(CONTENT) in refused.value.message
    assert left(tmp_path) == []
    assert not of_hub(NAME).pulled(tmp_path)


@pytest.mark.parametrize("etag", [None, '""', '"0123456789abcdef0123456789abcdef"', '"d41d8-2"'])
async def test_without_a_checksum_nothing_is_fetched(hub: Hub, tmp_path: Path, etag: str | None) -> None:
    hub.etag = etag
    with pytest.raises(WeightsError, match="states no checksum"):
        await pull(of_hub(NAME), tmp_path)
    assert not hub.ranges
    assert left(tmp_path) == []


async def test_a_small_file_is_checked_by_what_git_gives_it(hub: Hub, tmp_path: Path) -> None:
    hub.small = True
    path = await pull(of_hub(NAME), tmp_path)
    assert path.read_bytes() == CONTENT
    path.unlink()
    with pytest.raises(Stop):
        await pull(of_hub(NAME), tmp_path, stop)
    assert (await pull(of_hub(NAME), tmp_path)).read_bytes() == CONTENT
    assert hub.ranges[-1] is not None


async def test_a_repository_that_was_renamed_is_followed(hub: Hub, tmp_path: Path) -> None:
    hub.moved = True
    assert (await pull(of_hub(NAME), tmp_path)).read_bytes() == CONTENT


async def test_a_token_opens_the_hub_and_goes_nowhere_else(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(WeightsError, match="Access to it is restricted") as refused:
        await pull(of_hub(NAME), tmp_path)
    assert "HF_TOKEN" in str(refused.value.hint)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert (await pull(of_hub(NAME), tmp_path)).read_bytes() == CONTENT
    assert [token for _, path, token in hub.asked if path == "/bytes"] == [None]


async def test_a_name_that_is_not_there_says_what_the_hub_says(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="Entry not found"):
        await pull(of_hub("hf:someone/Reasoner-GGUF/no.gguf"), tmp_path)


async def test_a_hub_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(WeightsError, match="can't be asked") as refused:
        await pull(of_hub(NAME), tmp_path)
    assert "HTTPS_PROXY" in str(refused.value.hint)


class TestTheCatalogue:
    async def test_the_hub_must_have_the_file_that_a_row_was_chosen_with(
        self, hub: Hub, tmp_path: Path
    ) -> None:
        row = replace(of_hub(NAME), name="reasoner", sha256=sha256(b"another"))
        with pytest.raises(WeightsError, match=r"has another .* than reasoner stands for"):
            await pull(row, tmp_path)
        assert not hub.ranges
        kept = replace(row, sha256=sha256(CONTENT))
        assert (await pull(kept, tmp_path)).read_bytes() == CONTENT

    def test_there_are_real_reasoners_with_sizes(self) -> None:
        rows = catalogue()
        small, large = rows["qwen3-0.6b"], rows["qwen3-32b"]
        for name in ("deepseek-r1-distill-qwen-1.5b", "deepseek-r1-distill-qwen-32b", "qwq-32b"):
            assert small.size < rows[name].size <= rows["qwq-32b"].size
        for name in ("magistral-small-2509", "gpt-oss-20b"):
            assert small.size < rows[name].size < large.size
            assert rows[name].kv_bytes_per_token


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            *("hf:", "hf:a", "hf:a/b", "hf:a/b/c", "hf:a/b/c.safetensors", "hf:a/b/../c.gguf"),
            *("hf:../b/c.gguf", "hf:a/b//c.gguf", "hf:/a/b/c.gguf", "hf:a/b/c.gguf?x", "hf:a/../../x.gguf"),
        ],
    )
    def test_what_names_no_file(self, name: str) -> None:
        with pytest.raises(BadRequest, match="names no file of the hub") as refused:
            of_hub(name)
        assert "hf:OWNER/REPO/FILE.gguf" in str(refused.value.hint)

    def test_one_part_of_several(self) -> None:
        with pytest.raises(BadRequest, match="one part of several"):
            of_hub("hf:a/b/big-00001-of-00003.gguf")

    @given(st.text(st.sampled_from("ab./\\-_ é\n") | st.characters(codec="utf-8"), max_size=40))
    def test_no_name_leads_out_of_the_folder(self, rest: str) -> None:
        home = Path("/home/x")
        for name in (f"hf:{rest}", f"hf:{rest}.gguf", f"hf:a/b/{rest}.gguf", f"hf:{rest}/c.gguf"):
            try:
                path = of_hub(name).path(home)
            except BadRequest:
                continue
            assert ".." not in path.parts
            assert path.is_relative_to(home / "weights/hf")
            assert len(path.relative_to(home / "weights/hf").parts) >= 3

    def test_a_row_or_a_file(self) -> None:
        assert named("tiny").name == "tiny"
        assert named(NAME).name == NAME
        with pytest.raises(NotFound) as refused:
            named("tinny")
        assert "hf:OWNER/REPO/FILE.gguf" in str(refused.value.hint)
