"""A closed-loop load generator: each client keeps one connection and asks again as soon as it has its answer."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import httptools
import msgspec

from .dialects import MODEL, TOKENS, Dialect

LONGEST_WAIT_S = 60.0
GONE = "closed between two requests"
"""No error: a server may, and its client asks again on a new connection."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where to ask: `url` ends in `/v1`."""

    url: str
    key: str = ""
    model: str = MODEL
    asks: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """Further fields of the body."""
    tokens: int = TOKENS
    """Of each reply."""

    def request(self, dialect: Dialect, *, stream: bool) -> bytes:
        """The HTTP request, as bytes; the same for every gateway."""
        parts = urlsplit(self.url)
        body = msgspec.json.encode({"model": self.model, **dialect.ask(), **self.asks, "stream": stream})
        head = (
            f"POST {parts.path}{dialect.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
            f"authorization: Bearer {self.key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement. Times are milliseconds; first-token times and events are None without streaming."""

    dialect: str
    mode: str
    clients: int
    requests: int
    errors: dict[str, int]
    per_s: float
    p50_ms: float
    p99_ms: float
    ttft_p50_ms: float | None = None
    ttft_p99_ms: float | None = None
    events_per_s: float | None = None
    tokens_per_s: float | None = None
    cpu_ms_per_request: float | None = None
    other_cores: float | None = None
    """CPU that other processes used on this machine meanwhile, in cores: above 0.2 the figures are noisy."""


class Kind(NamedTuple):
    """How is asked: in which dialect, and whether for a stream."""

    dialect: Dialect
    stream: bool

    @property
    def mode(self) -> str:
        return "stream" if self.stream else "json"


class Reply(msgspec.Struct, frozen=True, gc=False):
    latency_s: float
    first_token_s: float | None
    events: int


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way at a time."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.transport: asyncio.Transport | None = None
        self.waiting: asyncio.Future[Reply] | None = None
        self.heard = self.kept = False
        """Of the reply under way; of one before it on this connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail("dropped" if self.heard or not self.kept else GONE)

    def ask(self, request: bytes, *, stream: bool) -> asyncio.Future[Reply]:
        assert self.transport is not None
        self.parser = httptools.HttpResponseParser(self)
        self.stream, self.events, self.tail, self.early = stream, 0, b"", b""
        self.ended = False
        self.first_token_s: float | None = None
        self.heard = False
        self.waiting = asyncio.get_running_loop().create_future()
        self.began = perf_counter()
        self.transport.write(request)
        return self.waiting

    def data_received(self, data: bytes) -> None:
        self.heard = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("not HTTP")

    def on_body(self, body: bytes) -> None:
        if not self.stream:
            return
        self.events += body.count(b"\n\n") + (self.tail[-1:] == b"\n" == body[:1])
        self.ended = self.ended or self.dialect.ends in self.tail + body
        self.tail = (self.tail + body)[-32:]
        if self.first_token_s is None:
            self.early += body
            if self.dialect.first_token.search(self.early):
                self.first_token_s = perf_counter() - self.began

    def on_message_complete(self) -> None:
        took = perf_counter() - self.began
        status = self.parser.get_status_code()
        if status != 200:
            self._fail(f"HTTP {status}")
        elif self.stream and not self.ended:
            self._fail("stream cut")
        elif self.waiting and not self.waiting.done():
            self.kept = True
            self.waiting.set_result(Reply(took, self.first_token_s, self.events))
        if not self.parser.should_keep_alive() and self.transport:
            self.transport.close()
            self.transport = None

    def _fail(self, why: str) -> None:
        if self.waiting and not self.waiting.done():
            self.waiting.set_exception(ConnectionError(why))


class Load:
    """The clients of one cell and what they have seen so far."""

    def __init__(self, endpoint: Endpoint, dialect: Dialect, *, stream: bool) -> None:
        self.request = endpoint.request(dialect, stream=stream)
        self.dialect = dialect
        self.stream = stream
        self.address = urlsplit(endpoint.url)
        self.replies: list[Reply] = []
        self.errors: Counter[str] = Counter()
        self.stopping = False

    async def client(self, start_after_s: float) -> None:
        await asyncio.sleep(start_after_s)
        connection = Connection(self.dialect)
        while not self.stopping:
            try:
                if connection.transport is None:
                    connection = await self._connect()
                self.replies.append(await connection.ask(self.request, stream=self.stream))
            except OSError as error:
                connection = Connection(self.dialect)
                if str(error) != GONE:
                    self.errors[str(error)] += 1
                    await asyncio.sleep(0.05)
        if connection.transport:
            connection.transport.close()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        host, port = self.address.hostname or "127.0.0.1", self.address.port or 80
        _, connection = await loop.create_connection(lambda: Connection(self.dialect), host, port)
        return connection

    async def wait_for(self, seconds: float, replies: int) -> None:
        """Until both have passed; a gateway that is too slow for `replies` ends at the longest wait."""
        began, wanted = perf_counter(), len(self.replies) + replies
        await asyncio.sleep(seconds)
        while len(self.replies) < wanted and perf_counter() - began < LONGEST_WAIT_S:  # noqa: ASYNC110 -- polled
            await asyncio.sleep(0.02)


Meter = Callable[[], tuple[float, float]]
"""CPU seconds used so far: by the gateway, by others on the machine."""


async def drive(
    endpoint: Endpoint, kind: Kind, clients: int, seconds: float, meter: Meter | None = None
) -> Cell:
    """Measure one cell for `seconds`, or longer until every client had about four answers.

    Warm-up is a quarter of that and one answer each; clients start spread over it, so that they don't march in step.
    """
    load = Load(endpoint, kind.dialect, stream=kind.stream)
    warm_s = seconds / 4
    gc.collect()
    gc.disable()
    tasks = [asyncio.create_task(load.client(warm_s * i / clients)) for i in range(clients)]
    try:
        await load.wait_for(warm_s, clients)
        load.replies.clear()
        load.errors.clear()
        cpu, began = meter() if meter else None, perf_counter()
        await load.wait_for(seconds, 4 * clients)
        took, replies, errors = perf_counter() - began, load.replies.copy(), dict(load.errors)
        spent = [now - then for now, then in zip(meter(), cpu, strict=True)] if meter and cpu else None
    finally:
        load.stopping = True
        gc.enable()
        _, hung = await asyncio.wait(tasks, timeout=LONGEST_WAIT_S)
        for task in hung:
            task.cancel()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()  # a client that broke is a bug here, not a slow gateway
    cell = summarise(replies, errors, took, clients, kind, endpoint.tokens)
    if not spent or not replies:
        return cell
    return msgspec.structs.replace(
        cell, cpu_ms_per_request=spent[0] * 1e3 / len(replies), other_cores=max(0.0, spent[1] / took)
    )


def summarise(
    replies: list[Reply], errors: dict[str, int], took_s: float, clients: int, kind: Kind, tokens: int
) -> Cell:
    """`tokens`: of each reply."""
    stream = kind.stream
    latencies = sorted(r.latency_s for r in replies)
    first = sorted(r.first_token_s for r in replies if r.first_token_s is not None)
    rate = len(replies) / took_s
    return Cell(
        dialect=kind.dialect.name,
        mode=kind.mode,
        clients=clients,
        requests=len(replies),
        errors=errors,
        per_s=rate,
        p50_ms=quantile_ms(latencies, 0.5),
        p99_ms=quantile_ms(latencies, 0.99),
        ttft_p50_ms=quantile_ms(first, 0.5) if first else None,
        ttft_p99_ms=quantile_ms(first, 0.99) if first else None,
        events_per_s=sum(r.events for r in replies) / took_s if stream else None,
        tokens_per_s=rate * tokens if stream else None,
    )


def quantile_ms(ordered_s: list[float], q: float) -> float:
    """The nearest-rank quantile of ascending seconds, in milliseconds; infinite where there are none."""
    if not ordered_s:
        return float("inf")
    return ordered_s[min(len(ordered_s) - 1, int(q * len(ordered_s)))] * 1e3
