"""What `/readyz`, a request and the log say where something is wrong, and that nothing is spent that can't be recorded.

The same table is in docs/guides/operations.md.
"""

import asyncio
import json
import os
import resource
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web
from engine_binary import engine_binary
from fake_server import serving
from gateway import Gateway

REPLY = (
    b'data: {"choices":[{"delta":{"content":"four"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}\n\ndata: [DONE]\n\n'
)
ASKED = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
REQUESTS = {
    "/v1/chat/completions": ASKED,
    "/v1/messages": ASKED,
    "/v1/responses": {"model": "m", "input": "hi", "background": True},
    "/v1/embeddings": {"model": "m", "input": "hi"},
}
KEY = "sk-not-to-be-seen-0123456789"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]


class Front:
    """A gateway in a process of its own, before an upstream that counts what it was asked."""

    def __init__(self, gateway: Gateway, upstream: str, asked: list[str]) -> None:
        self.gateway = gateway
        self.asked = asked
        self.inside = ("127.0.0.1", "localhost", upstream.rpartition(":")[2], str(gateway.home), KEY)

    @property
    def store(self) -> Path:
        return self.gateway.home / "perpend.db"

    async def ask(self, path: str, body: Any = None) -> Reply:
        method = "GET" if body is None else "POST"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.gateway.url}{path}", json=body) as response,
        ):
            reply = Reply(response.status, dict(response.headers), await response.text())
        if reply.status >= 400:
            assert not [inside for inside in self.inside if inside in reply.body], reply.body
        return reply

    async def reason(self) -> str | None:
        """Why it isn't ready."""
        reply = await self.ask("/readyz")
        assert (reply.status == 200) == (json.loads(reply.body)["status"] == "ready")
        return json.loads(reply.body).get("reason")

    def on_record(self) -> int:
        store = sqlite3.connect(self.store)
        (count,) = store.execute("SELECT COUNT(*) FROM requests WHERE status = 'finished'").fetchone()
        store.close()
        return count


@asynccontextmanager
async def front(home: Path, answer: Any, config: str = "", *, ready: bool = True) -> AsyncGenerator[Front]:
    """Once it is `ready`, or at once."""
    asked: list[str] = []

    async def counted(request: web.Request) -> web.Response:
        asked.append(request.path)
        return answer()

    app = web.Application()
    app.router.add_post("/v1/{path:.*}", counted)
    async with serving(app) as upstream:
        (home / "perpend.toml").write_text(
            f'[defaults]\nmodel = "m"\n[providers.p]\nbase_url = "{upstream}/v1"\nretries = 0\n'
            + (config or '[models.m]\nprovider = "p"\n')
        )
        gateway = Gateway(home)
        try:
            if ready:
                await asyncio.to_thread(gateway.wait_ready)
            yield Front(gateway, upstream, asked)
        finally:
            gateway.process.terminate()
            await asyncio.to_thread(gateway.process.wait)


def answered() -> web.Response:
    return web.Response(body=REPLY, content_type="text/event-stream")


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not await true():  # noqa: ASYNC110 -- another process's business
            await asyncio.sleep(0.05)


async def refused_without_work(front: Front, says: str) -> None:
    """All who ask are told the same, before anybody else is asked."""
    before = len(front.asked)
    assert says in (await front.reason() or "")
    for path, body in REQUESTS.items():
        reply = await front.ask(path, body)
        assert (reply.status, int(reply.headers["Retry-After"])) == (503, 5), path
        assert says in reply.error["message"]
        assert reply.error.get("code") == "store_unavailable"
    assert len(front.asked) == before
    assert f"store_unavailable: {says}" in front.gateway.log.replace(f"{front.store}", "")
    assert str(front.store) in front.gateway.log


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
async def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    """Full for the file alone, which no figure of the disk tells of: quotas are like that."""
    async with front(tmp_path, answered) as gate:
        assert (await gate.ask("/v1/chat/completions", ASKED)).status == 200
        process, most = gate.gateway.process.pid, os.stat(f"{gate.store}-wal").st_size
        before = resource.prlimit(process, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        await until(gate.reason)
        await refused_without_work(gate, "the store can't be written")
        assert len(gate.asked) == gate.on_record() == 1

        resource.prlimit(process, resource.RLIMIT_FSIZE, before)
        await asyncio.sleep(0.3)
        assert await gate.reason() is None
        assert (await gate.ask("/v1/chat/completions", ASKED)).status == 200
        assert len(gate.asked) == gate.on_record() == 2


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_store_that_is_moved_away_or_replaced(tmp_path: Path, suffix: str) -> None:
    async with front(tmp_path, answered) as gate:
        assert (await gate.ask("/v1/chat/completions", ASKED)).status == 200
        file, away = f"{gate.store}{suffix}", tmp_path / "away"
        os.rename(file, away)
        await until(gate.reason)
        await refused_without_work(gate, "the store is gone")
        os.close(os.open(file, os.O_CREAT | os.O_EXCL))  # nobody made it again
        await asyncio.sleep(0.3)
        await refused_without_work(gate, "the store was moved away, and another is in its place")
        os.replace(away, file)
        await asyncio.sleep(0.3)
        assert await gate.reason() is None
        assert (await gate.ask("/v1/chat/completions", ASKED)).status == 200
        assert len(gate.asked) == gate.on_record() == 2


def engine(binary: Path, weights: Path) -> str:
    return f'[engine]\nbinary = "{binary}"\nslots = 1\ncontext = 512\n[models.m]\ngguf = "{weights}"\nfamily = "tiny"\n'


async def test_an_engine_that_keeps_dying(tmp_path: Path, tiny_path: Path) -> None:
    config = engine(engine_binary(tmp_path, deaths=9), tiny_path)
    async with front(tmp_path, answered, config) as gate:
        replies: list[Reply] = []
        while not replies or "failed 5 times" not in replies[-1].error["message"]:
            replies.append(await gate.ask("/v1/chat/completions", ASKED))
            assert (replies[-1].status, replies[-1].error["code"]) == (503, "engine_error")
            assert "secret" not in replies[-1].body
            assert await gate.reason() in (None, "the model's engine died")
        assert 20 <= int(replies[-1].headers["Retry-After"]) <= 30
        assert await gate.reason() == "the model's engine died"
        assert "  | /secret/weights.cpp:42: GGML_ASSERT failed" in gate.gateway.log
        assert (tmp_path / "logs" / "engine-m.log").read_text().count("GGML_ASSERT") == 5
        assert gate.on_record() == 0


async def test_an_engine_that_cannot_start(tmp_path: Path, tiny_path: Path) -> None:
    binary = engine_binary(tmp_path, deaths=0)
    binary.write_text("#!/bin/sh\necho 'no such flag: /secret/engine.cpp:7' >&2\nexit 1\n")
    async with front(tmp_path, answered, engine(binary, tiny_path), ready=False) as gate:
        await until(lambda: listening(gate))
        await until(lambda: says(gate, "the model's engine ended while it started"))
        replies = [await gate.ask("/v1/chat/completions", ASKED) for _ in range(5)]
        for reply in replies:
            assert (reply.status, reply.error["code"]) == (503, "engine_error")
            assert int(reply.headers["Retry-After"]) >= 1
            assert "secret" not in reply.body
        assert "failed 5 times, and is started again in" in replies[-1].error["message"]
        assert 20 <= int(replies[-1].headers["Retry-After"]) <= 30
        assert "secret" not in (await gate.reason() or "")
        assert "| no such flag: /secret/engine.cpp:7" in gate.gateway.log


async def says(front: Front, said: str) -> bool:
    return said in (await front.reason() or "")


async def listening(front: Front) -> bool:
    try:
        return bool(await front.ask("/healthz"))
    except aiohttp.ClientError:
        return False


async def test_a_key_that_its_provider_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY_OF_P", KEY)
    said = {"error": {"message": f"Incorrect API key: {KEY}", "code": "invalid_api_key"}}
    config = 'api_key_env = "THE_KEY_OF_P"\n[models.m]\nprovider = "p"\n'
    async with front(tmp_path, lambda: web.json_response(said, status=401), config) as gate:
        assert await gate.reason() is None  # nobody knows yet
        for _ in range(8):
            reply = await gate.ask("/v1/chat/completions", ASKED)
            assert (reply.status, reply.error["code"]) == (502, "upstream_auth")
            assert reply.error["message"] == "p answered 401: it refuses this server's key"
            assert "THE_KEY_OF_P" not in reply.body
        assert len(gate.asked) == 8  # no breaker hides it
        assert await gate.reason() == "p answered 401: it refuses this server's key"
        assert "p: is the key in THE_KEY_OF_P right?" in gate.gateway.log
        assert KEY not in gate.gateway.log


async def test_a_provider_that_is_down(tmp_path: Path) -> None:
    async with front(tmp_path, lambda: web.Response(status=500, text="at /srv/app.py:1")) as gate:
        for _ in range(5):
            reply = await gate.ask("/v1/chat/completions", ASKED)
            assert (reply.status, reply.error["message"]) == (502, "p answered 500")
        reply = await gate.ask("/v1/chat/completions", ASKED)
        assert (reply.status, reply.error["code"]) == (503, "upstream_overloaded")
        assert int(reply.headers["Retry-After"]) >= 1
        assert "left alone for a moment" in (await gate.reason() or "")
        assert "/v1/chat/completions answered 500: at /srv/app.py:1" in gate.gateway.log


async def test_a_provider_without_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with front(tmp_path, answered) as gate:
        for path, body in REQUESTS.items():
            reply = await gate.ask(path, {**body, "model": "openai/o4-mini", "background": False})
            assert (reply.status, reply.error["code"]) == (404, "no_account"), path
            assert reply.error["message"] == "this server has no account at openai"
            assert "OPENAI_API_KEY" not in reply.body
        assert "OPENAI_API_KEY isn't set" in gate.gateway.log
        assert await gate.reason() is None
