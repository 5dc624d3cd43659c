"""A model whose price nobody knows, through the real gateway: its cost is null wherever one is told, and never 0."""

import re
from pathlib import Path
from typing import Any

import pytest
from wire_server import Server, chat_bodies, fronted

from perpend.config.schema import ModelConfig, ProviderConfig
from perpend.storage.usage import total, usage

ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50},
    "/v1/responses": {"input": "hi"},
}
COST = re.compile(rb'"cost_usd": ?([^,}\s]+)')


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("name", ["x", "o3", "deepseek-ai/DeepSeek-R1"])
async def test_its_cost_is_null_in_every_dialect(path: str, name: str, stream: bool, tmp_path: Path) -> None:
    server = Server(chat_bodies("yes"))
    async with fronted(server, ProviderConfig(), ModelConfig(name=name), tmp_path) as front:
        body = {"model": "m", **ASKED[path], "stream": stream, "progress": True}
        reply = await front.post(body, path)
        assert reply.status == 200
        told = COST.findall(reply.body)
        assert told
        assert set(told) == {b"null"}
        capped = await front.post({**body, "max_cost_usd": 1}, path)
        assert capped.status == 400
        assert b"max_cost_usd" in capped.body
        metrics = (await front.get("/metrics")).body.decode()
        assert 'perpend_unpriced_requests_total{model="m",strategy="single"} 1.0' in metrics
        assert 'perpend_cost_usd_total{model="m"' not in metrics
        house: Any = front.house
        booked = total(usage(house.store))
        assert (booked.requests, booked.cost_usd, booked.unpriced) == (1, None, 1)
