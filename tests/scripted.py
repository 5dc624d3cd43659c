"""A runtime that plays a script, and the gateway around it on a real socket."""

import asyncio
import contextlib
import datetime
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec
from msgspec.structs import replace

from perpend.config.schema import Config, DefaultsConfig, ModelConfig
from perpend.errors import NotFound
from perpend.observability.metrics import Metrics
from perpend.serving.admin import Admin
from perpend.serving.app import App
from perpend.serving.auth import Auth
from perpend.serving.info import Readiness
from perpend.serving.limits.limiter import Limiter
from perpend.serving.limits.subjects import Subject
from perpend.serving.limits.watch import LimitWatch
from perpend.serving.sealing import Seals
from perpend.serving.server import Server, bind, server_for
from perpend.solve import Gate, Origin, Sink
from perpend.solve.gate import EmbeddingGate
from perpend.storage.allowances import Allowances
from perpend.storage.keys import KeyRing
from perpend.storage.rows import ConversationRow, ItemRow, ResponseRow
from perpend.storage.store import Store
from perpend.storage.usage import UsageRow
from perpend.types import (
    Answer,
    AnswerDelta,
    BudgetReport,
    Candidate,
    Effort,
    EmbeddingRequest,
    EmbeddingResult,
    Event,
    Finished,
    Part,
    Plan,
    Request,
    Started,
    StopReason,
    Text,
    ThinkingDelta,
    Thought,
    Usage,
)

PLAN = Plan(model="small", effort="low", requested_effort="low", strategy="single", reason="asked for")
STARTED = Started("req_1", "small", PLAN, 64)
BODY = {"model": "small", "messages": [{"role": "user", "content": "What is 6 × 7?"}]}


def answer(
    text: str = "42",
    thinking: str = "6 × 7",
    stop: StopReason = "stop",
    summary: str = "",
    content: tuple[Part, ...] | None = None,
) -> Answer:
    if content is None:
        content = (*((Thought(thinking),) if thinking else ()), *((Text(text),) if text else ()))
    usage = Usage(input=9, cached=3, thinking=len(thinking), answer=len(text))
    cost = Decimal("0.000123")
    candidate = Candidate(
        model="small",
        thinking=thinking,
        answer=text,
        usage=usage,
        cost_usd=cost,
        stop_reason=stop,
        score=0.5,
    )
    return Answer(
        request_id="req_1",
        model="small",
        model_version="small-q4",
        plan=PLAN,
        budget=BudgetReport(
            requested_thinking_tokens=512,
            sent={"reasoning_effort": "low"},
            effective_thinking_tokens=64,
            thinking_tokens_used=len(thinking),
            lowered_by="context",
        ),
        text=text,
        thinking=thinking,
        content=content,
        usage=usage,
        cost_usd=cost,
        truncated=candidate.truncated,
        stop_reason=stop,
        candidates=(candidate,),
        elapsed_s=0.25,
        summary=summary,
    )


Step = list[Event] | float | Exception | asyncio.Event
DELTAS: list[Event] = [ThinkingDelta("6 "), ThinkingDelta("× 7"), AnswerDelta("4"), AnswerDelta("2")]
USUAL: tuple[Step, ...] = ([STARTED], DELTAS, [Finished(answer())])


class Models:
    """`small`, what the config has, and `fast` for the first of them."""

    def __init__(self, config: Config) -> None:
        self._rows = {"small": ModelConfig(), "big/model": ModelConfig(), **config.models}

    def names(self) -> list[str]:
        return list(self._rows)

    def configured(self, name: str) -> tuple[str, ModelConfig]:
        meant = "small" if name == "fast" else name
        if meant not in self._rows:
            raise NotFound(f"unknown model {name!r}")
        return meant, self._rows[meant]


class KeptInMemory:
    """Responses in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, ResponseRow] = {}

    async def put(self, row: ResponseRow) -> None:
        self.rows[row.id] = row

    def get(self, id_: str, key_id: str | None) -> ResponseRow | None:
        row = self.rows.get(id_)
        return row if row is not None and row.key_id == key_id else None

    async def delete(self, id_: str, key_id: str | None) -> None:
        if self.get(id_, key_id) is not None:
            del self.rows[id_]


class TalksInMemory:
    """Conversations in dictionaries."""

    def __init__(self) -> None:
        self.rows: dict[str, ConversationRow] = {}
        self.said: dict[str, list[ItemRow]] = {}

    async def put(self, row: ConversationRow) -> None:
        self.rows[row.id] = row

    def get(self, id_: str, key_id: str | None) -> ConversationRow | None:
        row = self.rows.get(id_)
        return row if row is not None and row.key_id == key_id else None

    async def delete(self, id_: str) -> None:
        del self.rows[id_]
        self.said.pop(id_, None)

    def items(self, id_: str) -> list[ItemRow]:
        return self.said.get(id_, [])

    async def add(self, items: Sequence[ItemRow]) -> None:
        for item in items:
            self.said.setdefault(item.conversation_id, []).append(item)

    async def remove(self, id_: str, item_id: str) -> None:
        self.said[id_] = [item for item in self.said[id_] if item.id != item_id]


class House:
    """Plays `steps`: batches are sunk, numbers slept, events waited for, errors raised."""

    def __init__(self, *steps: Step, config: Config | None = None) -> None:
        self.config = replace(config or Config(), defaults=DefaultsConfig(model="small"))
        self.models = Models(self.config)
        self.responses = KeptInMemory()
        self.conversations = TalksInMemory()
        self.steps = steps or USUAL
        self.requests: list[Request] = []
        self.key_ids: list[str | None] = []
        self.sources: list[str] = []
        self.cancelled = asyncio.Event()

    async def solve(
        self,
        request: Request,
        sink: Sink | None = None,
        *,
        gate: Gate | None = None,
        key_id: str | None = None,
        source: str = "chat",
    ) -> Answer:
        self.sources.append(source)
        self.requests.append(request)
        self.key_ids.append(key_id)
        try:
            return await self.answer(request, sink, gate, Origin(source, key_id, request.user))
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def answer(self, request: Request, sink: Sink | None, gate: Gate | None, origin: Origin) -> Answer:
        """What a house of another kind answers by."""
        return await self._play(sink)

    async def check(self, request: Request) -> None: ...

    async def count_input(self, request: Request) -> int:
        return 17

    async def embed(
        self, request: EmbeddingRequest, *, gate: EmbeddingGate | None = None, key_id: str | None = None
    ) -> EmbeddingResult:
        return EmbeddingResult(([0.5, -1.0],) * request.count, Usage(input=3), "v1")

    async def _play(self, sink: Sink | None) -> Answer:
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, float | int):
                await asyncio.sleep(step)
            else:
                if sink is not None:
                    await sink(step)
                for event in step:
                    if isinstance(event, Finished):
                        return event.answer
        raise AssertionError("a script ends with Finished or an error")


class Key(msgspec.Struct, frozen=True):
    id: str
    model: str | None = None
    effort: Effort | None = None
    max_thinking_tokens: int | None = None
    deadline_ms: int | None = None
    admin: bool = False


class Keys:
    """A key ring of plain secrets: what each opens is a key, or the id of one without defaults."""

    def __init__(self, **keys: str | Key) -> None:
        self._keys = {secret: Key(key) if isinstance(key, str) else key for secret, key in keys.items()}

    @property
    def any_exist(self) -> bool:
        return bool(self._keys)

    def lookup(self, secret: str) -> Key | None:
        return self._keys.get(secret)

    def by_id(self, id_: str) -> None:
        """No key here has limits."""

    allowances: Allowances = MappingProxyType({})


NOWHERE = Path(os.devnull) / "limits"
"""Of counters: a test whose keys are limited brings a limiter that has a folder."""


def unused(subject: Subject, since: datetime.datetime | None) -> UsageRow:
    raise AssertionError(f"{subject} isn't limited")


SEALS = Seals(["a key of the tests, long enough to be one"])


class Gateway:
    """The real server in front of a house; `post` and `get` speak to it."""

    def __init__(
        self, house: House, keys: Keys | KeyRing, limiter: Limiter | None = None, store: Store | None = None
    ) -> None:
        self.house = house
        self.metrics = Metrics()
        self.readiness = Readiness(lambda: None)
        serve = house.config.serve
        auth = Auth(keys, serve.require_keys, serve.host, serve.cors_origins)
        limiter = limiter or Limiter(
            house.config.limits, keys, NOWHERE, unused, LimitWatch(1.0, self.metrics)
        )
        admin = {} if store is None else Admin(store, house.config, auth).routes
        self.app = App(house, auth, self.metrics, self.readiness, SEALS, limiter, admin)
        self.server = server_for(self.app)
        self.listener = bind("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self.session = aiohttp.ClientSession(f"http://127.0.0.1:{self.port}")

    async def post(self, body: Any, path: str = "/v1/chat/completions", **options: Any) -> "Reply":
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self.session.post(path, data=data, **options) as response:
            return Reply(response.status, response.headers.copy(), await response.read())

    async def delete(self, path: str, **options: Any) -> "Reply":
        async with self.session.delete(path, **options) as response:
            return Reply(response.status, response.headers.copy(), await response.read())

    async def get(self, path: str, **options: Any) -> "Reply":
        async with self.session.get(path, **options) as response:
            return Reply(response.status, response.headers.copy(), await response.read())


class Reply(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


@contextlib.asynccontextmanager
async def gateway(
    house: House,
    keys: Keys | KeyRing | None = None,
    limiter: Limiter | None = None,
    store: Store | None = None,
) -> AsyncGenerator[Gateway, None]:
    front = Gateway(house, keys or Keys(), limiter, store)
    running = asyncio.create_task(front.server.serve([front.listener]))
    try:
        yield front
    finally:
        await front.session.close()
        await _stop(front.server, running)
        await front.app.aclose()


async def _stop(server: Server, running: asyncio.Task[None]) -> None:
    """As the server's own stop, whose ticks take 0.2 s: it takes no more, and waits for what is under way."""
    await until(lambda: server.started)
    running.cancel()
    for listener in server.servers:
        listener.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()
    await until(lambda: not state.connections and not state.tasks)
    await asyncio.wait([running])


async def until(true: Callable[[], object]) -> None:
    """Wait for what soon will be so."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 -- what is waited for has no event to wait on
            await asyncio.sleep(0.01)


def events_of(stream: bytes) -> list[Any]:
    """The data of a stream of server-sent events, decoded; `[DONE]` stays text."""
    blocks = [block for block in stream.decode().split("\n\n") if block.startswith("data: ")]
    return [one if one == "[DONE]" else msgspec.json.decode(one) for one in (b[6:] for b in blocks)]


def _assemble_calls(calls: list[dict[str, Any]], pieces: list[dict[str, Any]]) -> None:
    for piece in pieces:
        index = piece.pop("index")
        if index == len(calls):
            calls.append(piece)
        else:
            for kind, grown in piece.items():
                for name, more in grown.items():
                    calls[index][kind][name] += more


def named_events_of(stream: bytes) -> list[Any]:
    """The data of a stream whose events have names, which are those of their types."""
    events: list[Any] = []
    for block in stream.decode().split("\n\n"):
        if block.startswith("event: "):
            name, data = block.removeprefix("event: ").split("\ndata: ", 1)
            events.append(msgspec.json.decode(data))
            assert events[-1]["type"] == name
    return events


def assembled(stream: bytes) -> dict[str, Any]:
    """What a client puts together from a stream: the same shape as a completion that isn't streamed."""
    *chunks, done = events_of(stream)
    assert done == "[DONE]"
    message: dict[str, Any] = {"refusal": None}
    finish = None
    for chunk in chunks:
        for choice in chunk["choices"]:
            finish = choice["finish_reason"] or finish
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    _assemble_calls(message.setdefault(name, []), value)
                else:
                    message[name] = message[name] + value if name in message else value
    first, last = chunks[0], chunks[-1]
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {
        **{name: first[name] for name in ("id", "model")},
        "choices": [choice],
        **{name: last[name] for name in ("usage", "perpend")},
    }
