"""OpenAI's background mode: whatever happens to its connections, a response is read to its end, or cancelled."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from fake_server import serving
from msgspec.structs import replace
from replaying import Wire, call, ended, joined
from shared_data import shared

from perpend.backends import Backend, CallEvent, Upstream, backends
from perpend.backends.openai_responses import background as openai_background
from perpend.config import Config, ModelConfig, ProviderConfig
from perpend.errors import AccountRefused, UpstreamError, UpstreamTimeout
from perpend.families.family import family_of
from perpend.providers.provider import providers
from perpend.runtime import Runtime
from perpend.transport.client import HTTPClient, Timeouts, UpstreamAccount
from perpend.transport.sse import SSEParser
from perpend.types import AnswerDelta, Event, Limits, Message, Request, ThinkingDelta, Usage

OWN = Path(__file__).parents[2] / "fixtures" / "openai_responses"
WHOLE = msgspec.json.encode(msgspec.json.decode((OWN / "tool.json").read_bytes()))
EVENTS = [
    msgspec.json.encode({**msgspec.json.decode(event), "sequence_number": number})
    for number, event in enumerate(SSEParser().feed((OWN / "tool.sse").read_bytes()))
]
CALL = replace(call(family_of("gpt-5"), thinking_tokens=100, effort="high"), model="gpt-5")
TOO_OLD = {"error": {"message": "This response can no longer be streamed", "type": "invalid_request_error"}}
GONE = {"error": {"message": "Response with id 'resp_1' not found.", "type": "invalid_request_error"}}


class Server:
    """Makes one response, and keeps it: each connection breaks off before an event, by its number; the last doesn't."""

    def __init__(self, *breaks: int, torn: bool = False, refuses: web.Response | None = None) -> None:
        self.asked: list[str] = []
        self.body: dict[str, Any] = {}
        self.begun = asyncio.Event()
        self.kept = self.events = EVENTS
        """What the first connection says, and what the others go on with."""
        self.repeats = 0
        """Events that a resumed stream says again."""
        self.unfinished_polls = 0
        self.held = asyncio.Event()
        """Until it is set, a response without breaks doesn't go on after its first events."""
        self.held.set()
        self.goes_on_after = 3
        self.cancelled = asyncio.Event()
        self._breaks = list(breaks)
        self._torn = torn
        self._refuses = refuses

    async def create(self, request: web.Request) -> web.StreamResponse:
        self.asked.append("POST")
        self.body = await request.json()
        self.begun.set()
        return await self._stream(request, self.events, 0)

    async def retrieve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"GET {request.query_string}")
        if request.query["stream"] == "true":
            if self._refuses is not None:
                return self._refuses
            first = int(request.query["starting_after"]) + 1 - self.repeats
            return await self._stream(request, self.kept, first)
        if self.unfinished_polls:
            self.unfinished_polls -= 1
            return web.json_response({"id": "resp_1", "status": "in_progress", "output": []})
        return web.Response(body=WHOLE)

    async def cancel(self, request: web.Request) -> web.Response:
        self.asked.append("cancel")
        self.cancelled.set()
        return web.json_response({"id": "resp_1", "status": "cancelled"})

    async def _stream(self, request: web.Request, events: list[bytes], first: int) -> web.StreamResponse:
        end = self._breaks.pop(0) if self._breaks else None
        response = web.StreamResponse()
        await response.prepare(request)
        for number, event in enumerate(events[first:end], first):
            if number == self.goes_on_after:
                await self.held.wait()
            await response.write(b"data: %b\n\n" % event)
        if end is not None:
            if self._torn:
                await response.write(b"data: " + events[end][:40])
            assert request.transport is not None
            request.transport.abort()
        return response

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str, None]:
        app = web.Application()
        app.router.add_post("/responses", self.create)
        app.router.add_get("/responses/{id}", self.retrieve)
        app.router.add_post("/responses/resp_1/cancel", self.cancel)
        async with serving(app) as url:
            yield url

    @asynccontextmanager
    async def behind(self, timeouts: Timeouts | None = None) -> AsyncGenerator[Backend, None]:
        """The backend that speaks to it."""
        http = HTTPClient()
        async with self.serving() as url:

            async def base() -> str:
                return url

            row = replace(providers()["openai"], background=("high",))
            account = UpstreamAccount({"content-type": "application/json"}, timeouts)
            try:
                yield backends.get("openai_responses")(Upstream(row, http, base, account))
            finally:
                await http.aclose()

    async def said(self, timeouts: Timeouts | None = None) -> list[CallEvent]:
        events: list[CallEvent] = []
        async with self.behind(timeouts) as backend, aclosing(backend.stream(CALL)) as batches:
            async for batch in batches:
                events += batch
        return joined(events)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_background, "_RETRY_WAITS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(openai_background, "_POLL_S", 0.0)


async def test_it_is_asked_for_as_a_stream_that_is_not_stored() -> None:
    server = Server()
    events = await server.said()
    assert ended(events).usage == Usage(40, 16, 12, 18)
    assert server.asked == ["POST"]
    assert (server.body["background"], server.body["stream"], server.body["store"]) == (True, True, False)


@pytest.mark.parametrize("torn", [False, True], ids=["between events", "inside an event"])
@pytest.mark.parametrize("at", range(1, len(EVENTS)))
async def test_a_connection_that_breaks_anywhere_loses_nothing_and_repeats_nothing(
    at: int, torn: bool
) -> None:
    server = Server(at, torn=torn)
    assert await server.said() == await Server().said()
    assert server.asked[0] == "POST"
    assert [asked.partition("&")[0] for asked in server.asked[1:]] == ["GET stream=true"]
    assert server.asked[1].endswith("&include[]=reasoning.encrypted_content")


async def test_one_that_breaks_after_its_end_is_at_its_end() -> None:
    server = Server(len(EVENTS))
    assert await server.said() == await Server().said()
    assert server.asked == ["POST"]


async def test_so_often_as_something_came_in_between() -> None:
    server = Server(*range(1, len(EVENTS)))
    assert await server.said() == await Server().said()
    assert len(server.asked) == len(EVENTS)


async def test_events_that_come_again_are_passed_over() -> None:
    server = Server(8)
    server.repeats = 3
    assert await server.said() == await Server().said()


async def test_a_recorded_stream_goes_on_from_the_event_before_it() -> None:
    recorded = shared("wire/openai/resp-background-stream-resume/response.sse").read_bytes()
    server = Server(1)
    kept = SSEParser().feed(recorded)
    created = kept[0].replace(b"queued", b"created").replace(b'"sequence_number":1,', b'"sequence_number":0,')
    server.kept = server.events = [created, *kept]
    assert await server.said() == joined(await Wire("openai_responses", recorded).stream(CALL))
    assert server.asked == ["POST", "GET stream=true&starting_after=0&include[]=reasoning.encrypted_content"]


async def test_a_damaged_event_is_asked_for_again() -> None:
    server = Server()
    server.events = [*EVENTS[:7], b'{"type": "response.output_text.delta", "sequ', *EVENTS[8:]]
    assert await server.said() == await Server().said()
    assert len(server.asked) == 2


@pytest.mark.parametrize("at", range(1, len(EVENTS)))
async def test_one_too_old_to_be_streamed_is_asked_for_until_it_is_done_and_only_the_rest_handed_on(
    at: int,
) -> None:
    server = Server(at, refuses=web.json_response(TOO_OLD, status=400))
    server.unfinished_polls = 2
    assert await server.said() == await Server().said()
    kinds = [asked.partition("&")[0] for asked in server.asked]
    assert kinds == ["POST", "GET stream=true", *["GET stream=false"] * 3]


async def test_one_that_is_gone_may_have_been_paid_for() -> None:
    server = Server(5, refuses=web.json_response(GONE, status=404))
    with pytest.raises(AccountRefused, match="not found") as refused:
        await server.said()
    assert refused.value.billed
    assert len([asked for asked in server.asked if asked.startswith("GET")]) == 1


async def test_a_server_that_stays_away_is_given_up_after_some_tries() -> None:
    server = Server(5, *[5] * 10)
    with pytest.raises(UpstreamError):
        await server.said()
    assert len([asked for asked in server.asked if asked.startswith("GET")]) == 3
    assert server.cancelled.is_set()


async def test_a_connection_that_was_never_answered_has_nothing_to_go_on_with() -> None:
    server = Server(0)
    with pytest.raises(UpstreamError):
        await server.said()
    assert server.asked == ["POST"]


async def test_one_that_failed_is_neither_resumed_nor_cancelled() -> None:
    server = Server()
    failed = {"id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "no luck"}}
    end = {"type": "response.failed", "sequence_number": 5, "response": failed}
    server.events = [*EVENTS[:5], msgspec.json.encode(end)]
    with pytest.raises(UpstreamError, match="no luck"):
        await server.said()
    assert server.asked == ["POST"]


async def test_all_its_connections_share_one_time_limit() -> None:
    server = Server(5, refuses=web.json_response(TOO_OLD, status=400))
    server.unfinished_polls = 1_000_000
    with pytest.raises(UpstreamTimeout, match=r"no end came within 0\.2 s"):
        await server.said(Timeouts(total_s=0.2))
    assert server.cancelled.is_set()


async def test_who_goes_away_has_it_cancelled() -> None:
    server = Server()
    server.held.clear()
    server.goes_on_after = 5
    async with server.behind() as backend:
        async with aclosing(backend.stream(CALL)) as batches:
            await anext(batches)
        await server.cancelled.wait()
        server.held.set()
    assert server.asked == ["POST", "cancel"]


@pytest.mark.parametrize("after", [0, 1, 3], ids=["no name yet", "a name", "some of its items"])
async def test_even_who_goes_away_before_anything_was_said(after: int) -> None:
    server = Server()
    server.held.clear()
    server.goes_on_after = after
    async with server.behind() as backend:
        asking = asyncio.ensure_future(anext(backend.stream(CALL)))
        await server.begun.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        server.held.set()
    assert server.asked == ["POST", "cancel"]


class TestThroughTheWholeSpine:
    REQUEST = Request(
        messages=(Message("user", "2 + 3?"),), model="m", limits=Limits(max_output_tokens=4096), effort="high"
    )

    @asynccontextmanager
    async def runtime(self, server: Server, home: Path) -> AsyncGenerator[Runtime, None]:
        async with server.serving() as url:
            config = Config(
                home=home,
                providers={"openai": ProviderConfig(base_url=url, background=("high",))},
                models={
                    "m": ModelConfig(provider="openai", name="gpt-5", fallbacks=("m2",)),
                    "m2": ModelConfig(provider="openai", name="gpt-5"),
                },
            )
            async with await Runtime.open(config) as runtime:
                yield runtime

    async def test_nobody_has_to_stand_in_and_nothing_is_paid_twice(self, tmp_path: Path) -> None:
        server = Server(5, 9)
        async with self.runtime(server, tmp_path) as runtime:
            answer = await runtime.solve(self.REQUEST)
        assert (answer.truncated, answer.stop_reason) == (False, "tool_calls")
        assert (answer.thinking, answer.text) == ("The sum needs a tool.", "Let me add – so.")
        assert answer.usage == Usage(40, 16, 12, 18)
        assert server.asked.count("POST") == 1

    async def test_a_request_that_is_cancelled_is_cancelled_there(self, tmp_path: Path) -> None:
        server = Server()
        server.held.clear()
        server.goes_on_after = 8
        thinking = asyncio.Event()

        async def sink(batch: list[Event]) -> None:
            if any(isinstance(event, ThinkingDelta | AnswerDelta) for event in batch):
                thinking.set()

        async with self.runtime(server, tmp_path) as runtime:
            solving = asyncio.create_task(runtime.solve(self.REQUEST, sink))
            await thinking.wait()
            solving.cancel()
            await asyncio.gather(solving, return_exceptions=True)
            await server.cancelled.wait()
            server.held.set()
        assert server.asked == ["POST", "cancel"]

    async def test_another_effort_is_asked_for_in_the_foreground(self, tmp_path: Path) -> None:
        server = Server()
        async with self.runtime(server, tmp_path) as runtime:
            await runtime.solve(replace(self.REQUEST, effort="low"))
        assert "background" not in server.body
