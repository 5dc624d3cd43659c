"""Several workers are one gateway: nothing acknowledged is lost, and a client can't tell them apart."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from fake_server import serving
from gateway import Gateway, small_model
from openai import AsyncOpenAI
from scripted import named_events_of, until

from perpend.storage.keys import create_key, revoke_key
from perpend.storage.store import Store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who has a connection is read from /proc")

WORDS = b"".join(b'data: {"choices":[{"delta":{"content":"%d "}}]}\n\n' % number for number in range(5))
END = (
    b'data: {"choices":[{"delta":{"content":"four"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}\n\ndata: [DONE]\n\n'
)
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FRESH = 8
"""Connections, each of which either of two workers may get: all to one, once in 128 times."""


class Upstream:
    """Answers at once, or, where it is `held`, after it is let go."""

    def __init__(self) -> None:
        self.waiting = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(WORDS)
        self.waiting += 1
        await self.go_on.wait()
        self.waiting -= 1
        await response.write(END)
        return response


@contextlib.asynccontextmanager
async def gateway(home: Path, workers: int = 2) -> AsyncGenerator[tuple[Gateway, Upstream]]:
    upstream = Upstream()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", upstream.answer)
    async with serving(app) as url:
        (home / "perpend.toml").write_text(
            f'[defaults]\nmodel = "m"\n[providers.p]\nbase_url = "{url}/v1"\n[models.m]\nprovider = "p"\n'
            '[models.m.price]\ninput = "0.15"\noutput = "0.6"\n'
        )
        front = Gateway(home, workers=workers)
        try:
            await asyncio.to_thread(front.wait_ready)
            await until(lambda: "perpend listens" in front.log)
            yield front, upstream
        finally:
            upstream.go_on.set()
            front.process.terminate()
            await asyncio.to_thread(front.process.wait, 30)


async def fresh(url: str, path: str, **asked: Any) -> tuple[int, bytes]:
    """The answer to a request on a connection of its own."""
    async with aiohttp.ClientSession() as session, session.request(url=url + path, **asked) as response:
        return response.status, await response.read()


def booked(home: Path) -> dict[str, tuple[int, int, str]]:
    """Input, answer and dollars of what is finished, by its id."""
    with contextlib.closing(sqlite3.connect(home / "perpend.db")) as store:
        rows = store.execute("SELECT id, input, answer, cost_usd FROM requests WHERE status = 'finished'")
        return {id_: (input_, answer, cost) for id_, input_, answer, cost in rows}


class Clients:
    """Ask again and again, on connections that they keep."""

    def __init__(self, url: str) -> None:
        self.received: dict[str, dict[str, Any]] = {}
        self.broken = 0
        self._url = url
        self._over = False

    async def ask(self, count: int) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(self._client(session) for _ in range(count)))

    def stop(self) -> None:
        self._over = True

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while not self._over:
            try:
                async with session.post(f"{self._url}/v1/chat/completions", json=CHAT) as response:
                    body = await response.json()
            except aiohttp.ClientError:
                self.broken += 1
            else:
                assert response.status == 200, body
                self.received[body["perpend"]["request_id"]] = body


async def test_the_ledger_holds_every_answer_of_four_workers_though_one_is_killed(tmp_path: Path) -> None:
    async with gateway(tmp_path, workers=4) as (front, _):
        before = front.workers
        assert len(before) == 4
        clients = Clients(front.url)
        asking = asyncio.create_task(clients.ask(32))
        await until(lambda: len(clients.received) > 200)
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: len(front.workers) == 4 and before[0] not in front.workers)
        heard = len(clients.received)
        await until(lambda: len(clients.received) > heard + 200)
        clients.stop()
        await asking
    rows = booked(tmp_path)
    for id_, body in clients.received.items():
        input_, answer, cost = rows[id_]
        usage, spent = body["usage"], body["perpend"]["cost_usd"]
        assert (input_, answer) == (usage["prompt_tokens"], usage["completion_tokens"])
        assert Decimal(cost) == Decimal(str(spent))
    assert len(rows) - len(clients.received) <= clients.broken  # committed, but the client didn't hear of it
    assert "was killed by SIGKILL; another takes its place" in front.log
    assert front.log.count("perpend listens") == 1


async def test_keys_and_counters_are_everybodys_and_all_end_with_the_supervisor(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store:
        secret, key = create_key(store, "app")
        headers = {"authorization": f"Bearer {secret}"}
        async with gateway(tmp_path) as (front, _):

            async def statuses() -> list[int]:
                asked: dict[str, Any] = {"method": "POST", "json": CHAT, "headers": headers}
                return [(await fresh(front.url, "/v1/chat/completions", **asked))[0] for _ in range(FRESH)]

            assert await statuses() == [200] * FRESH
            assert [await counted(front) for _ in range(FRESH)] == [FRESH] * FRESH
            answered = FRESH
            for victim in front.workers:
                os.kill(victim, signal.SIGKILL)
                assert (
                    await statuses() == [200] * FRESH
                )  # who connected to its listener waits for the next one
                await until(lambda victim=victim: len(front.workers) == 2 and victim not in front.workers)
                answered += FRESH
                assert await counted(front) == answered
            text = await asyncio.to_thread(front.metrics)
            for process in ("0", "1", "supervisor"):
                assert f'process_resident_memory_bytes{{worker="{process}"}}' in text
            assert "perpend_worker_restarts_total 2.0" in text
            revoke_key(store, key.id)
            await asyncio.sleep(0.6)
            assert await statuses() == [401] * FRESH
            workers = front.workers
            front.process.kill()
            await until(lambda: not any(map(alive, workers)))


async def counted(front: Gateway) -> float:
    text = await asyncio.to_thread(front.metrics)
    name = 'perpend_requests_total{model="m",status="ok",strategy="single"} '
    return next(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


async def test_a_background_response_is_anybodys_to_read_and_to_cancel(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (front, upstream):
        upstream.go_on.clear()

        def client() -> AsyncOpenAI:
            return AsyncOpenAI(base_url=f"{front.url}/v1", api_key="k", max_retries=0)

        async with client() as first:
            queued = await first.responses.create(model="m", input="hi", background=True)
            stream = await first.responses.create(model="m", input="hi", background=True, stream=True)
            created = await anext(aiter(stream))
            assert created.type == "response.created"
        streamed = created.response.id
        readers: list[asyncio.Task[list[Any]]] = []
        for _ in range(FRESH):
            async with client() as other:
                assert (await other.responses.retrieve(queued.id)).status == "in_progress"
            readers.append(asyncio.create_task(events_of(client(), streamed)))
        async with client() as other:
            assert (await other.responses.cancel(queued.id)).status == "cancelled"
        for _ in range(FRESH):
            async with client() as other:
                assert (await other.responses.retrieve(queued.id)).status == "cancelled"
        upstream.go_on.set()
        streams = await asyncio.gather(*readers)
        assert streams[0][-1].response.output_text.endswith("four")
        for events in streams:
            assert [event.sequence_number for event in events] == list(range(1, len(events) + 1))
            assert events == streams[0]


async def events_of(client: AsyncOpenAI, id_: str) -> list[Any]:
    async with client:
        stream = await client.responses.retrieve(id_, stream=True, starting_after=0)
        return [event async for event in stream]


async def test_a_background_response_whose_worker_dies_has_failed(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (front, upstream):
        upstream.go_on.clear()
        asked = {"model": "m", "input": "hi", "background": True, "stream": True}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{front.url}/v1/responses", json=asked) as made,
        ):
            (created,) = named_events_of(await made.content.readuntil(b"\n\n"))
            path = f"/v1/responses/{created['response']['id']}"
            again = {"method": "GET", "url": f"{front.url}{path}?stream=true"}
            async with contextlib.AsyncExitStack() as stack:
                readers = [await stack.enter_async_context(reading(again)) for _ in range(FRESH)]
                for reader in readers:
                    await reader.content.readuntil(b"\n\n")
                os.kill(maker(front, made), signal.SIGKILL)
                ends = await asyncio.gather(*(rest_of(reader) for reader in readers))
        told = [named_events_of(end)[-1] for end in ends if end is not None]
        assert told  # by the other worker, to those that read there
        for last in told:
            assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
        await until(lambda: len(front.workers) == 2)
        for _ in range(FRESH):
            assert json.loads((await fresh(front.url, path, method="GET"))[1])["status"] == "failed"


@contextlib.asynccontextmanager
async def reading(asked: dict[str, Any]) -> AsyncGenerator[aiohttp.ClientResponse]:
    async with aiohttp.ClientSession() as session, session.request(**asked) as response:
        yield response


async def rest_of(response: aiohttp.ClientResponse) -> bytes | None:
    """None where the connection broke."""
    try:
        return await response.read()
    except aiohttp.ClientError:
        return None


def maker(front: Gateway, response: aiohttp.ClientResponse) -> int:
    """The worker at the other end of a connection."""
    assert response.connection is not None
    assert response.connection.transport is not None
    port = response.connection.transport.get_extra_info("sockname")[1]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(row[9] for row in rows if int(row[2].rpartition(":")[2], 16) == port)
    return next(
        pid
        for pid in front.workers
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and os.readlink(link) == f"socket:[{inode}]"
    )


async def test_a_model_is_loaded_once_for_all(tmp_path: Path, tiny_path: Path) -> None:
    small_model(tmp_path, tiny_path)
    with (tmp_path / "perpend.toml").open("a") as config:
        config.write("[serve]\nworkers = 2\n")
    front = await asyncio.to_thread(Gateway, tmp_path)
    try:
        await asyncio.to_thread(front.wait_ready)
        asked = {"messages": [{"role": "user", "content": "What is 17 + 24?"}], "max_thinking_tokens": 32}

        async def answered() -> None:
            replies = [
                fresh(front.url, "/v1/chat/completions", method="POST", json=asked) for _ in range(FRESH)
            ]
            assert [status for status, _ in await asyncio.gather(*replies)] == [200] * FRESH

        await answered()
        (engine,) = (pid for pid, line in front.children.items() if "perpend.engine.child" in line)
        os.kill(front.workers[0], signal.SIGKILL)
        await until(lambda: len(front.workers) == 2)
        await answered()
        assert engine in front.children
        os.kill(engine, signal.SIGKILL)
        await answered()
        assert 'perpend_engine_restarts_total{model="small"} 1.0' in await asyncio.to_thread(front.metrics)
    finally:
        front.process.terminate()
        assert await asyncio.to_thread(front.process.wait, 30) == 0
    assert not front.children


async def test_what_is_under_way_is_finished_before_the_end(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (front, upstream):
        upstream.go_on.clear()
        asked = [
            asyncio.create_task(fresh(front.url, "/v1/chat/completions", method="POST", json=CHAT))
            for _ in range(FRESH)
        ]
        await until(lambda: upstream.waiting == FRESH)
        front.process.terminate()
        for worker in front.workers:  # as service managers do
            os.kill(worker, signal.SIGTERM)
        await until(lambda: not listens(front))
        await asyncio.sleep(0.3)
        upstream.go_on.set()
        assert [status for status, _ in await asyncio.gather(*asked)] == [200] * FRESH
        assert await asyncio.to_thread(front.process.wait, 30) == 0


async def test_a_second_signal_ends_the_wait(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (front, upstream):
        upstream.go_on.clear()
        cut = asyncio.create_task(fresh(front.url, "/v1/chat/completions", method="POST", json=CHAT))
        await until(lambda: upstream.waiting)
        front.process.terminate()
        await until(lambda: not listens(front))
        await asyncio.sleep(0.2)
        front.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(front.process.wait, 15) == 0
        assert (await asyncio.gather(cut, return_exceptions=True))[0] != 200


def listens(front: Gateway) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(front.url.rpartition(":")[2]))) == 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
