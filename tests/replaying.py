"""A recorded or composed response, sent by a real server in pieces cut anywhere, read by a backend."""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, NamedTuple

from aiohttp import web
from fake_server import serving

from perpend.backends import Backend, Call, CallEvent, Upstream, backends
from perpend.families.family import Family, family_named
from perpend.providers.provider import Provider
from perpend.solve.message_builder import MessageBuilder
from perpend.transport.client import HTTPClient, UpstreamAccount
from perpend.types import (
    AnswerDelta,
    AnswerLogprobs,
    CallEnded,
    Message,
    Part,
    ProviderStateDelta,
    Served,
    ThinkingDelta,
    ToolCallDelta,
)


class Asked(NamedTuple):
    path: str
    headers: dict[str, str]
    body: Any


class Wire:
    """One wire at a server that answers every request with `bodies`, the last one again and again."""

    def __init__(
        self, name: str, *bodies: bytes | tuple[int, bytes], provider: str | Provider = "here", cuts: int = 0
    ) -> None:
        """`cuts`: a seed of where the body is cut; 0: nowhere."""
        self.asked: list[Asked] = []
        self._name = name
        self._bodies = [body if isinstance(body, tuple) else (200, body) for body in bodies]
        self._provider = Provider(name=provider) if isinstance(provider, str) else provider
        self._random = random.Random(cuts) if cuts else None

    async def stream(self, *calls: Call) -> list[CallEvent]:
        """The events of the last of `calls`."""
        events: list[CallEvent] = []
        http = HTTPClient()
        try:
            async with self.serving() as url:
                backend = self.backend(http, url)
                for call in calls:
                    async with aclosing(backend.stream(call)) as batches:
                        events = [event async for batch in batches for event in batch]
        finally:
            await http.aclose()
        return events

    async def count(self, call: Call) -> int | None:
        http = HTTPClient()
        async with self.serving() as url:
            counted = await self.backend(http, url).count_input(call)
        await http.aclose()
        return counted

    def serving(self) -> AbstractAsyncContextManager[str]:
        """The base URL of its server."""
        app = web.Application()
        app.router.add_post("/{path:.*}", self._answer)
        return serving(app)

    def whole(self, call: Call) -> list[CallEvent]:
        return self.backend(HTTPClient(), "").whole(self._bodies[0][1], call)

    def backend(self, http: HTTPClient, url: str = "") -> Backend:
        async def base() -> str:
            return url

        upstream = Upstream(self._provider, http, base, UpstreamAccount({"content-type": "application/json"}))
        return backends.get(self._name)(upstream)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request.path_qs, dict(request.headers), json.loads(await request.read())))
        status, body = self._bodies.pop(0) if len(self._bodies) > 1 else self._bodies[0]
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        for piece in self._pieces(body):
            await response.write(piece)
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    def _pieces(self, body: bytes) -> Sequence[bytes]:
        if self._random is None:
            return [body]
        cuts = sorted(self._random.sample(range(len(body)), min(40, len(body))))
        return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]


def call(family: Family | None = None, **changes: Any) -> Call:
    fields: dict[str, Any] = {"max_tokens": 4096, "messages": (Message("user", "Hi"),), **changes}
    return Call(model="m", family=family or family_named("generic"), **fields)


def joined(events: list[CallEvent]) -> list[CallEvent]:
    """Without the borders between pieces, which are the network's doing."""
    whole: list[CallEvent] = []
    for event in events:
        last = whole[-1] if whole else None
        if isinstance(event, ThinkingDelta | AnswerDelta) and type(event) is type(last):
            assert isinstance(last, ThinkingDelta | AnswerDelta)
            whole[-1] = type(last)(last.text + event.text, last.tokens + event.tokens)
        elif (
            isinstance(event, ToolCallDelta) and isinstance(last, ToolCallDelta) and event.index == last.index
        ):
            arguments = last.arguments + event.arguments
            whole[-1] = ToolCallDelta(
                last.index,
                last.id,
                last.name,
                arguments,
                provider_state=last.provider_state or event.provider_state,
            )
        else:
            whole.append(event)
    return whole


def content(events: list[CallEvent]) -> tuple[Part, ...]:
    """The parts of a message that they make, as the spine puts them together."""
    transcript = MessageBuilder()
    transcript.add(event for event in events if not isinstance(event, CallEnded | Served | AnswerLogprobs))
    return transcript.content


def thinking(events: list[CallEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ThinkingDelta))


def answer(events: list[CallEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, AnswerDelta))


def provider_states(events: list[CallEvent]) -> list[str]:
    found = [
        event.provider_state for event in events if isinstance(event, ProviderStateDelta | ToolCallDelta)
    ]
    return [provider_state.data for provider_state in found if provider_state is not None]


def ended(events: list[CallEvent]) -> CallEnded:
    end = events[-1]
    assert isinstance(end, CallEnded)
    return end
