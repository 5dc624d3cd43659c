"""Pulling a suite from a hub and from the web, on loopback: all of it, checked, or nothing."""

import hashlib
import os
from pathlib import Path

import pytest
from aiohttp import web
from fake_server import serving

from perpend.errors import BadRequest, NotFound, UpstreamError
from perpend.evals.suites.catalogue import Suite, catalogue
from perpend.evals.suites.pull import pull
from perpend.evals.suites.sources import SuiteSource, find

FILES = {"one.jsonl": b'{"question": "1 + 1?", "answer": "2"}\n', "two.jsonl": b"{}\n"}
SHA256 = hashlib.sha256(b"".join(FILES.values())).hexdigest()


def git_name(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Hub:
    """Says the digest of each file as the hub does: for a large one where it sends on to a store, else as its tag."""

    def __init__(self) -> None:
        self.large = False
        self.digest: str | None = None
        self.status = 200
        self.tokens: list[str | None] = []

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        assert request.path.startswith("/datasets/someone/suite/resolve/main/")
        self.tokens.append(request.headers.get("authorization"))
        name = request.match_info["name"]
        if self.status != 200:
            return web.Response(status=self.status)
        if self.large:
            tag = self.digest or hashlib.sha256(FILES[name]).hexdigest()
            raise web.HTTPFound(
                f"/store/{name}", headers={"X-Linked-Etag": f'"{tag}"', "ETag": '"of the page"'}
            )
        tag = self.digest or git_name(FILES[name])
        return web.Response(body=FILES[name], headers={"ETag": f'W/"{tag}"'} if tag != "none" else {})

    async def store(self, request: web.Request) -> web.Response:
        return web.Response(body=FILES[request.match_info["name"]], headers={"ETag": '"the store\'s own"'})

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/datasets/someone/suite/resolve/main/{name}", self.resolve)
        app.router.add_get("/store/{name}", self.store)
        return app


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    for name in ("PERPEND_DATA", "HF_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return Hub()


def suite(url: str, sha256: str | None = None) -> Suite:
    source = SuiteSource(file="suite/{part}.jsonl", url=url, parts=("one", "two"), sha256=sha256)
    return Suite(
        name="s", title="", licence="", home="", n=1, prompt="plain", verifier="exact", sources=(source,)
    )


ON_HUB = suite("hub:someone/suite/{part}.jsonl")


@pytest.mark.parametrize("large", [True, False])
async def test_from_the_hub_by_the_digest_that_it_states(
    hub: Hub, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.large = large
    monkeypatch.setenv("HF_TOKEN", "secret")
    async with serving(hub.app) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        paths = await pull(ON_HUB, tmp_path)
    assert [path.read_bytes() for path in paths] == list(FILES.values())
    assert hub.tokens == ["Bearer secret"] * 2
    found = find(ON_HUB.sources, tmp_path)
    assert found is not None
    assert (found.paths, found.where) == (paths, "pulled")


@pytest.mark.parametrize(("large", "digest"), [(True, "0" * 64), (False, "0" * 40), (False, "none")])
async def test_another_file_is_not_kept(
    hub: Hub, large: bool, digest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.large, hub.digest = large, digest
    async with serving(hub.app) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(UpstreamError, match="expected"):
            await pull(ON_HUB, tmp_path)
    assert os.listdir(tmp_path / "evals" / "suite") == []


async def test_from_the_web_by_the_catalogues_digest(hub: Hub, tmp_path: Path) -> None:
    async with serving(hub.app) as url:
        await pull(suite(f"{url}/store/{{part}}.jsonl", SHA256), tmp_path)
        with pytest.raises(UpstreamError, match=f"expected sha256 {'0' * 64}"):
            await pull(suite(f"{url}/store/{{part}}.jsonl", "0" * 64), tmp_path / "other")
    assert hub.tokens == []


async def test_conditions_that_werent_agreed_to(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.status = 401
    async with serving(hub.app) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(BadRequest, match="access is refused"):
            await pull(ON_HUB, tmp_path)


async def test_nobody_there(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UpstreamError, match="can't be fetched") as raised:
        await pull(ON_HUB, tmp_path)
    assert raised.value.hint is not None
    assert str(tmp_path / "evals") in raised.value.hint


async def test_a_suite_that_only_people_can_get(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="can't be fetched by a program"):
        await pull(catalogue()["gpqa"], tmp_path)
