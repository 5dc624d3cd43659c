"""An upstream that fails in every way, by seed; and a run of many requests against it that checks how each ends.

A request names its number; number and attempt choose the fault, so that a run can be repeated.
"""

import asyncio
import itertools
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast

from costs import known
from msgspec.structs import replace

from perpend.accounting.ledger import NOTHING, Scope
from perpend.config import Config, DeploymentConfig, ModelConfig, PriceConfig, ProviderConfig, StorageConfig
from perpend.errors import PerpendError
from perpend.runtime import Runtime
from perpend.storage.rows import LedgerRow
from perpend.types import Answer, Event, Limits, Message, Request, StrategySpec, ThinkingDelta

DEADLINE_S = 2.5
GRACE_S = 1.0
"""Beyond the deadline: for a busy machine, not for the code."""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 12,
    "completion_tokens_details": {"reasoning_tokens": 8},
}


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(value: Any) -> bytes:
    return chunk(b"data: %b\n\n" % (value if isinstance(value, bytes) else json.dumps(value).encode()))


def refusal(status: int, body: Any, *headers: str) -> bytes:
    data = json.dumps(body).encode()
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} No", *headers))
    return head.encode() + b"content-length: %d\r\n\r\n%b" % (len(data), data)


@dataclass
class Wire:
    """How one wire says what a reply is made of."""

    thought: bytes
    word: bytes
    end: bytes
    usage: bytes

    def whole(self, usages: int = 1) -> list[bytes]:
        said = [*[self.thought] * 4, *[self.word] * 3, self.end, *[self.usage] * usages]
        return [HEAD, *said, event(b"[DONE]"), END]


CHAT = Wire(
    event({"choices": [{"delta": {"reasoning_content": "hm, "}}]}),
    event({"choices": [{"delta": {"content": "four "}}]}),
    event({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    event({"choices": [], "usage": USAGE}),
)
RAW = Wire(
    event({"choices": [{"text": "hm, "}]}),
    event({"choices": [{"text": "four "}]}),
    event({"choices": [{"text": "", "finish_reason": "stop"}]}),
    event({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 7}}),
)

STALL, RESET, FOREVER = 3600.0, None, True
"""Steps of a script beside bytes to write: silence, an abort, the last bytes again and again."""
Script = list[bytes | float | bool | None]

FAULTS: dict[str, Callable[[Wire], Script]] = {
    "nothing wrong": lambda w: [*w.whole()],
    "closes without a word": lambda w: [RESET],
    "stalls before its headers": lambda w: [STALL],
    "stalls after its headers": lambda w: [HEAD, STALL],
    "only signs of life": lambda w: [HEAD, chunk(b": still here\n\n"), FOREVER],
    "stalls while it thinks": lambda w: [HEAD, w.thought, w.thought, STALL],
    "resets while it thinks": lambda w: [HEAD, w.thought, w.thought, RESET],
    "resets while it answers": lambda w: [HEAD, w.thought, w.word, RESET],
    "ends without an end": lambda w: [HEAD, w.thought, w.word, END],
    "broken JSON": lambda w: [HEAD, w.thought, event(b'{"choices": [{"delta": {"con'), END],
    "broken JSON at once": lambda w: [HEAD, event(b"<html>"), END],
    "broken UTF-8": lambda w: [
        HEAD,
        w.thought,
        event(b'{"choices": [{"text": "\xff\xfe"}], "model": "\xff"}'),
        END,
    ],
    "broken SSE": lambda w: [HEAD, w.thought, chunk(b"dta: x\n\n\n\rdata\n\n"), w.word, w.end, w.usage, END],
    "broken chunks": lambda w: [HEAD, w.thought, b"zz\r\nnot a chunk"],
    "not HTTP": lambda w: [b"SSH-2.0-OpenSSH_9.6\r\n", RESET],
    "an error in the middle": lambda w: [
        HEAD,
        w.thought,
        event({"error": {"message": "out of memory"}}),
        END,
    ],
    "429 with Retry-After": lambda w: [refusal(429, {"error": "slow"}, "retry-after: 1")],
    "429 without": lambda w: [refusal(429, {"error": {"message": "slow", "code": "rate_limit_exceeded"}})],
    "429 for long": lambda w: [refusal(429, {"error": "slow"}, "retry-after: 3600")],
    "500": lambda w: [refusal(500, {"error": {"message": "oops"}})],
    "503": lambda w: [refusal(503, {"error": {"message": "busy"}})],
    "401": lambda w: [refusal(401, {"error": {"message": "no", "code": "invalid_api_key"}})],
    "400": lambda w: [refusal(400, {"error": {"message": "no such parameter"}})],
    "too long": lambda w: [refusal(400, {"error": {"message": "x", "code": "context_length_exceeded"}})],
    "never ends": lambda w: [HEAD, w.thought, w.word, FOREVER],
    "never ends thinking": lambda w: [HEAD, w.thought, FOREVER],
    "repeats itself": lambda w: [*w.whole()[:-2], *w.whole()[1:-2], event(b"[DONE]"), END],
    "usage twice": lambda w: [*w.whole(2)],
    "usage never": lambda w: [*w.whole(0)],
    "an event without an end": lambda w: [HEAD, w.thought, chunk(b"data: " + b"x" * 9_000_000), STALL],
    "headers without an end": lambda w: [b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 200, FOREVER],
}
_SPINE: Any = sys.modules["perpend.solve.run"]
"""The module: its package gives the function by that name."""
_NUMBER = re.compile(rb"request (\d+)\.")


class Upstream:
    """Serves both wires. `said` counts the faults that were played."""

    def __init__(self, seed: int, sound: float = 0.5) -> None:
        self.said: Counter[str] = Counter()
        self.open: set[Peer] = set()
        self._seed = seed
        self._sound = sound
        self._attempts: Counter[int] = Counter()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Peer(self), "127.0.0.1", 0, backlog=1024)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for peer in list(self.open):
            peer.end()
        await asyncio.sleep(0.1)

    def script(self, number: int, wire: Wire) -> Script:
        self._attempts[number] += 1
        draw = random.Random(f"{self._seed} {number} {self._attempts[number]}")
        name = "nothing wrong" if draw.random() < self._sound else draw.choice(list(FAULTS))
        self.said[name] += 1
        return FAULTS[name](wire)


class Peer(asyncio.Protocol):
    """One connection; plays a script for each request. No task: only timers."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._got = b""
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._upstream.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.open.discard(self)
        self.end()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        number = _NUMBER.search(body)
        assert number is not None
        wire = CHAT if b"/chat/completions" in head else RAW
        self._got = b""
        self._play(iter(self._upstream.script(int(number[1]), wire)), b"")

    def _play(self, steps: Any, last: bytes) -> None:
        if self._transport.is_closing():
            return
        step = next(steps, 0.0)
        if step is None:
            self._transport.abort()
        elif step is True:
            self._transport.write(last)
            self._after(0.005, itertools.chain([True], steps), last)
        elif isinstance(step, bytes):
            self._transport.write(step)
            self._after(0.001, steps, step)

    def _after(self, seconds: float, steps: Any, last: bytes) -> None:
        self._timer = self._loop.call_later(seconds, self._play, steps, last)


def config(first: str, second: str, store: Path) -> Config:
    """Models that meet the faults alone, in pools, with fallbacks, and on a wire that continues."""
    wires: tuple[tuple[str, Literal["openai_chat", "raw_completion"]], ...]
    wires = (("", "openai_chat"), ("_raw", "raw_completion"))
    places = {"a": first, "b": second, "dead": "http://127.0.0.1:9/v1"}
    providers = {
        f"{name}{suffix}": ProviderConfig(
            base_url=url,
            wire=wire,
            connect_timeout_s=1,
            first_token_timeout_s=0.4,
            read_timeout_s=0.4,
            total_timeout_s=5,
        )
        for name, url in places.items()
        for suffix, wire in wires
    }
    priced = PriceConfig(input=Decimal(2), cached=Decimal(1), output=Decimal(10))
    pool = (DeploymentConfig(provider="a"), DeploymentConfig(provider="b"), DeploymentConfig(provider="dead"))
    raw = tuple(DeploymentConfig(provider=f"{place.provider}_raw") for place in pool)
    models = {
        "alone": ModelConfig(provider="a", name="m"),
        "pooled": ModelConfig(deployments=pool, name="m"),
        "falling": ModelConfig(provider="dead", name="m", fallbacks=("alone", "pooled")),
        "raw": ModelConfig(deployments=raw, name="m", family="smollm2", fallbacks=("pooled",)),
    }
    return Config(
        home=store.parent,
        providers=providers,
        models={name: replace(row, price=priced) for name, row in models.items()},
        storage=StorageConfig(path=store),
    )


@dataclass
class Outcome:
    """How the run ended. `wrong` says what should never be."""

    ends: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    longest_s: float = 0.0
    rows: list[LedgerRow] = field(default_factory=list[LedgerRow])
    faults: Counter[str] = field(default_factory=Counter[str])


class Watched(Scope):
    """Scopes of requests, kept to be looked at afterwards."""

    __slots__ = ()
    roots: list[Scope] = []  # noqa: RUF012 -- one run at a time

    def __init__(self, name: str, **limits: Any) -> None:
        super().__init__(name, **limits)
        if self.parent is None:
            self.roots.append(self)


async def run(count: int, seed: int, store: Path, *, at_once: int = 40) -> Outcome:
    """`count` requests against two upstreams. What was open before must be closed after."""
    outcome, gate = Outcome(), asyncio.Semaphore(at_once)
    first, second = Upstream(seed), Upstream(seed + 1)
    before = len(asyncio.all_tasks())
    own, _SPINE.Scope = _SPINE.Scope, Watched
    Watched.roots.clear()
    try:
        async with await Runtime.open(config(await first.start(), await second.start(), store)) as runtime:
            write = runtime.store.writer.write

            async def noting(row: LedgerRow) -> None:
                outcome.rows.append(row)
                await write(row)

            runtime.store.writer.write = noting  # pyright: ignore[reportAttributeAccessIssue]
            await asyncio.gather(*(_one(n, seed, runtime, gate, outcome) for n in range(count)))
            calls = [place for places in runtime.models.deployments().values() for place in places]
            outcome.wrong += [f"{place.name} has calls under way" for place in calls if place.in_flight]
    finally:
        _SPINE.Scope = own
        await first.stop()
        await second.stop()
    outcome.faults = first.said + second.said
    held = first.open | second.open
    outcome.wrong += [f"{len(held)} connections are open"] * bool(held)
    left = len(asyncio.all_tasks()) - before
    outcome.wrong += [f"{left} tasks are left"] * bool(left)
    _check_ledger(outcome)
    return outcome


async def _one(number: int, seed: int, runtime: Runtime, gate: asyncio.Semaphore, outcome: Outcome) -> None:
    draw = random.Random(f"{seed} request {number}")
    thinks = draw.choice([0, 16, 64, 512])
    strategy = draw.choice([StrategySpec(), StrategySpec("budget_forcing", {"waits": 1})])
    request = Request(
        messages=(Message("user", f"This is request {number}. What is two and two?"),),
        model=draw.choice(["alone", "pooled", "falling", "raw"]),
        limits=Limits(
            max_thinking_tokens=thinks,
            max_output_tokens=thinks + 64,
            max_cost_usd=draw.choice([None, Decimal("0.05")]),
            deadline_ms=int(DEADLINE_S * 1000),
        ),
        strategy=strategy,
    )
    thinking: list[str] = []

    async def sink(batch: list[Event]) -> None:
        thinking.extend(event.text for event in batch if isinstance(event, ThinkingDelta))

    async with gate:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answer = await runtime.solve(request, sink)
        except PerpendError as error:
            outcome.ends[f"error {error.code}"] += 1
        except Exception as error:
            outcome.wrong.append(f"request {number}: {type(error).__name__}: {error}")
        else:
            outcome.ends[f"answer, {answer.stop_reason}"] += 1
            _check_answer(number, request, answer, "".join(thinking), outcome)
        took = loop.time() - began
        outcome.longest_s = max(outcome.longest_s, took)
        if took > DEADLINE_S + GRACE_S:
            outcome.wrong.append(f"request {number} took {took:.2f} s")


def _check_answer(number: int, request: Request, answer: Answer, thinking: str, outcome: Outcome) -> None:
    cap = request.limits.max_cost_usd
    if not (answer.text or answer.thinking):
        outcome.wrong.append(f"request {number}: an answer of nothing, {answer.stop_reason}")
    if answer.thinking != thinking:
        outcome.wrong.append(f"request {number}: streamed and whole thinking differ")
    if cap is not None and known(answer.cost_usd) > cap:
        outcome.wrong.append(f"request {number}: {answer.cost_usd} spent of {cap}")


def _check_ledger(outcome: Outcome) -> None:
    """What each request's scope has spent is what its row says, and nothing is held any more."""
    held = [root for root in Watched.roots if root.reserved != NOTHING]
    outcome.wrong += [f"{len(held)} requests still hold a reservation"] * bool(held)
    spent = sum((root.spent.usd for root in Watched.roots), Decimal(0))
    booked = sum((known(row.cost_usd) for row in outcome.rows), Decimal(0))
    if spent != booked:
        outcome.wrong.append(f"${spent} spent, ${booked} in the ledger")
    tokens = sum(root.spent.output for root in Watched.roots)
    in_rows = sum(row.thinking + row.answer for row in outcome.rows)
    if tokens != in_rows:
        outcome.wrong.append(f"{tokens} tokens spent, {in_rows} in the ledger")
