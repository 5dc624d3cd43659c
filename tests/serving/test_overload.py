"""`perpend serve` before a server that has more to do than it can: it thinks less, waits, and only then refuses."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import gateway
from fake_server import serving
from slotted import SlottedServer

CONFIG = """
[defaults]
model = "m"
[providers.vllm]
base_url = "{url}/v1"
slots = 1
[models.m]
provider = "vllm"
family = "qwen3"
[admission]
{admission}
"""


class Reply(NamedTuple):
    status: int
    body: dict[str, Any]
    retry_after: str | None

    @property
    def budget(self) -> dict[str, Any]:
        return self.body["perpend"]["budget"]


class Front:
    def __init__(self, running: gateway.Gateway, server: SlottedServer, http: aiohttp.ClientSession) -> None:
        self.running = running
        self.server = server
        self._http = http

    async def ask(self, path: str = "/v1/chat/completions", **fields: Any) -> Reply:
        body = {"messages": [{"role": "user", "content": "hi"}], "max_thinking_tokens": 64, **fields}
        async with self._http.post(self.running.url + path, json=body) as reply:
            return Reply(reply.status, await reply.json(), reply.headers.get("retry-after"))

    async def at_once(self, count: int, **fields: Any) -> list[Reply]:
        """After one alone, from which is learned how long they take."""
        assert (await self.ask(**fields)).budget["lowered_by"] is None
        return await asyncio.gather(*(self.ask(**fields) for _ in range(count)))

    async def metric(self, name: str) -> float:
        """The sum over all labels."""
        text = await asyncio.to_thread(self.running.metrics)
        return sum(float(value) for value in re.findall(rf"^{name}{{.*}} (\S+)$", text, re.MULTILINE))


@asynccontextmanager
async def front(home: Path, admission: str) -> AsyncGenerator[Front, None]:
    server = SlottedServer(slots=1, token_s=0.01, natural=30)
    async with serving(server.app) as url:
        (home / "perpend.toml").write_text(CONFIG.format(url=url, admission=admission))
        running = gateway.Gateway(home)
        try:
            await asyncio.to_thread(running.wait_ready)
            async with aiohttp.ClientSession() as http:
                yield Front(running, server, http)
        finally:
            running.process.terminate()
            await asyncio.to_thread(running.process.wait, 30)


async def test_under_load_it_thinks_less_and_refuses_nobody(tmp_path: Path) -> None:
    async with front(tmp_path, "target_wait_s = {standard = 0.3}") as gate:
        replies = await gate.at_once(10)
        assert {reply.status for reply in replies} == {200}
        lowered = [reply for reply in replies if reply.budget["lowered_by"] == "load"]
        assert 0 < len(lowered) < len(replies), "who found room has all of it"
        for reply in lowered:
            assert reply.budget["requested_thinking_tokens"] == 64
            assert reply.budget["effective_thinking_tokens"] == 0
            assert "thinking lowered from 64 to 0 tokens: load" in reply.body["perpend"]["plan"]["reason"]
        assert gate.server.cut == 0, "nothing that was begun is ended for others"
        assert gate.server.most == 1
        assert await gate.metric("perpend_lowered_total") == len(lowered)
        assert await gate.metric("perpend_queue_wait_seconds_count") == 9
        assert await gate.metric("perpend_queue_length") == await gate.metric("perpend_admitted_calls") == 0
        assert await gate.metric("perpend_refused_total") == 0


async def test_what_doesnt_fit_into_the_queue_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with front(tmp_path, "max_queue = 2") as gate:
        replies = await gate.at_once(6)
        assert sorted(reply.status for reply in replies) == [200] * 3 + [429] * 3
        for reply in replies:
            if reply.status == 429:
                assert reply.retry_after is not None
                assert int(reply.retry_after) >= 1
                assert reply.body["error"]["code"] == "rate_limit_error"
        assert await gate.metric("perpend_refused_total") == 3
        assert gate.server.most == 1


async def test_switched_off_everything_goes_to_the_server_at_once(tmp_path: Path) -> None:
    async with front(tmp_path, "enabled = false") as gate:
        replies = await gate.at_once(5)
        assert {(reply.status, reply.budget["lowered_by"]) for reply in replies} == {(200, None)}
        assert gate.server.most == 5


async def test_anthropics_clients_are_told_in_their_own_words(tmp_path: Path) -> None:
    async with front(tmp_path, "max_queue = 0") as gate:
        asked = {"path": "/v1/messages", "max_tokens": 500, "service_tier": "standard_only"}
        replies = await gate.at_once(3, **asked)
        refused = next(reply for reply in replies if reply.status == 429)
        assert refused.body["error"]["type"] == "rate_limit_error"


async def test_the_embedded_engine_is_given_as_many_calls_as_it_has_slots(
    tmp_path: Path, tiny_path: Path
) -> None:
    gateway.small_model(tmp_path, tiny_path)
    config = tmp_path / "perpend.toml"
    config.write_text(config.read_text() + "[admission]\ntarget_wait_s = {standard = 0.01}\n")
    running = gateway.Gateway(tmp_path)
    try:
        await asyncio.to_thread(running.wait_ready)
        async with aiohttp.ClientSession() as http:
            asking = Front(running, SlottedServer(slots=1, token_s=0), http)
            # A long thought, and always the same: of one that comes in one piece no speed is learned.
            said = [{"role": "user", "content": "Start at 7: +5 *3 -4 +2 *7 -6 +8 *2 +9 -3 *4. Last digit?"}]
            fields = {"messages": said, "max_thinking_tokens": 200, "temperature": 0}
            replies = await asking.at_once(24, **fields)
            assert {reply.status for reply in replies} == {200}
            assert "load" in {reply.budget["lowered_by"] for reply in replies}
            assert await asking.metric("perpend_upstream_capacity") == 2
    finally:
        running.process.terminate()
        await asyncio.to_thread(running.process.wait, 30)
