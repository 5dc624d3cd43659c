"""kill -9 under load: every answer whose last byte was received has its row in the ledger."""

import asyncio
import json
import sqlite3
from pathlib import Path

import aiohttp
from aiohttp import web
from fake_server import serving
from gateway import Gateway

REPLY = (
    b'data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"four"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}\n\ndata: [DONE]\n\n'
)


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=REPLY, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    async with serving(app) as upstream:
        (tmp_path / "perpend.toml").write_text(
            f'[defaults]\nmodel = "m"\n[providers.p]\nbase_url = "{upstream}/v1"\n[models.m]\nprovider = "p"\n'
        )
        received: list[str] = []
        for _ in range(2):
            await one_crash(tmp_path, received)
    assert len(received) > 20
    with sqlite3.connect(tmp_path / "perpend.db") as store:
        booked = {row[0] for row in store.execute("select id from requests where status = 'finished'")}
    store.close()
    assert set(received) <= booked


async def one_crash(home: Path, received: list[str]) -> None:
    gateway = Gateway(home)
    try:
        await asyncio.to_thread(gateway.wait_ready)
        async with aiohttp.ClientSession() as session:
            clients = [asyncio.create_task(ask(session, gateway.url, received, n % 2 == 0)) for n in range(8)]
            await asyncio.sleep(1)
            gateway.process.kill()
            await asyncio.gather(*clients)
    finally:
        gateway.process.kill()
        await asyncio.to_thread(gateway.process.wait)


async def ask(session: aiohttp.ClientSession, url: str, received: list[str], stream: bool) -> None:
    """Ask again and again; note the id of each answer that came to its end."""
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    try:
        while True:
            async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                text = await response.text()
                if not stream:
                    received.append(json.loads(text)["perpend"]["request_id"])
                elif text.endswith("data: [DONE]\n\n"):
                    received.append(response.headers["x-request-id"])
    except aiohttp.ClientError:
        return
