"""A server that says a wire's own bytes, and a real gateway before it."""

import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from fake_server import serving
from msgspec.structs import replace
from replaying import Asked
from scripted import Gateway, gateway

from perpend.config.schema import Config, DefaultsConfig, ModelConfig, ProviderConfig
from perpend.runtime import Runtime


class Server:
    """Says the bodies in turn, again and again; keeps what it was asked."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self.asked: list[Asked] = []
        self._bodies = itertools.cycle(bodies)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(Asked(request.path, dict(request.headers), await request.json()))
        return web.Response(body=next(self._bodies))


@asynccontextmanager
async def fronted(
    server: Server, provider: ProviderConfig, model: ModelConfig, home: Path
) -> AsyncGenerator[Gateway, None]:
    """The gateway, whose model `m` is at `server`, under the name of `provider`: `here`."""
    app = web.Application()
    app.router.add_post("/{path:.*}", server.answer)
    async with serving(app) as url:
        config = Config(
            home=home,
            defaults=DefaultsConfig(model="m"),
            providers={"here": replace(provider, base_url=url)},
            models={"m": replace(model, provider="here")},
        )
        async with await Runtime.open(config) as runtime:
            house: Any = runtime  # which has all that the gateway asks of a scripted one
            async with gateway(house) as front:
                yield front


def chat_bodies(*texts: str) -> list[bytes]:
    """What the OpenAI chat wire says of an answer each."""
    return [
        b"data: %b\n\ndata: [DONE]\n\n"
        % msgspec.json.encode(
            {
                "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 1},
            }
        )
        for text in texts
    ]
