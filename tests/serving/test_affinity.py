"""The turns of a conversation go to the deployment that has its prompt, in every dialect; what is cached is told."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from fake_server import serving
from scripted import Gateway, gateway
from sdks import DIALECTS, USER, Client, next_turn
from wire_server import Server

from perpend.config.schema import Config, DefaultsConfig, DeploymentConfig, ModelConfig, ProviderConfig
from perpend.runtime import Runtime

SAID: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "42"}, "finish_reason": "stop"}]}
USED: dict[str, Any] = {
    "choices": [],
    "usage": {"prompt_tokens": 20, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 12}},
}
REPLY = b"".join(b"data: %b\n\n" % msgspec.json.encode(chunk) for chunk in (SAID, USED))
PLACES = ("north", "east", "south", "west")


@asynccontextmanager
async def deployed(home: Path) -> AsyncGenerator[tuple[Gateway, dict[str, Server]], None]:
    """A gateway whose model is at four places."""
    servers = {name: Server([REPLY + b"data: [DONE]\n\n"]) for name in PLACES}
    async with AsyncExitStack() as stack:
        providers: dict[str, ProviderConfig] = {}
        for name, server in servers.items():
            app = web.Application()
            app.router.add_post("/{path:.*}", server.answer)
            providers[name] = ProviderConfig(base_url=await stack.enter_async_context(serving(app)))
        places = tuple(DeploymentConfig(provider=name) for name in PLACES)
        models = {"m": ModelConfig(deployments=places)}
        config = Config(home=home, defaults=DefaultsConfig(model="m"), providers=providers, models=models)
        runtime: Any = await stack.enter_async_context(await Runtime.open(config))
        yield await stack.enter_async_context(gateway(runtime)), servers


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_conversation_stays_where_its_prompt_is(tmp_path: Path, dialect: str) -> None:
    async with deployed(tmp_path) as (front, servers):
        client = Client(front)
        ask = getattr(client, dialect)
        async with client.openai, client.anthropic:
            for number in range(4):
                turns: list[Any] = [{**USER[0], "content": f"Question {number}"}]
                for turn in range(3):
                    body = await ask(bool(turn % 2), "text", turns)
                    turns += next_turn(dialect, "text", body)
                    assert body["perpend"]["usage"]["cached"] == 12
    asked = {name: [turns_of(one.body) for one in server.asked] for name, server in servers.items()}
    assert sorted(first for firsts in asked.values() for first in firsts) == sorted(
        f"Question {number}" for number in range(4) for _ in range(3)
    )
    for number in range(4):
        places = {name for name, firsts in asked.items() if f"Question {number}" in firsts}
        assert len(places) == 1


def turns_of(body: Any) -> str:
    """What a conversation began with."""
    return next(message["content"] for message in body["messages"] if message["role"] == "user")
