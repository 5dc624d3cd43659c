"""The client of upstreams: pooled connections, streamed bodies, failures as UpstreamError."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from copy import copy
from functools import cache, lru_cache
from importlib.metadata import version
from typing import NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from perpend.backends.connection import Connection
from perpend.backends.sse import SSEParser
from perpend.errors import ConfigError, UpstreamError, UpstreamTimeout

_USER_AGENT = f"perpend/{version('perpend')}"
_EXCERPT = 300
_IDLE_S = 30.0
"""A connection that idled longer may have been closed at the other end: it isn't used again."""


class Account:
    """What every request to one provider carries. Raises ConfigError for a header that isn't one."""

    __slots__ = ("connect_s", "head", "read_s")

    def __init__(self, headers: Mapping[str, str], *, connect_s: float = 10.0, read_s: float = 300.0) -> None:
        """`connect_s` bounds the making of a connection, `read_s` each wait for something to come."""
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        if any(line.count("\r") + line.count("\n") > 2 or not line.isascii() for line in lines):
            names = ", ".join(headers)
            hint = "no line breaks, ASCII only: see the key's file or variable for stray characters"
            raise ConfigError(f"a header of a provider can't be sent ({names})", hint=hint)
        self.head = "".join(lines).encode()
        self.connect_s = connect_s
        self.read_s = read_s

    def with_default(self, name: str, value: str) -> Self:
        """The same with one header more, unless it has that one."""
        if f"{name}:".encode() in self.head.lower():
            return self
        other = copy(self)
        other.head += f"{name}: {value}\r\n".encode()
        return other


class Framing(Protocol):
    """Cuts a streamed body into events."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes."""
        ...

    def close(self) -> list[bytes]:
        """What the body's end completes."""
        ...


class _Place(NamedTuple):
    host: str
    port: int
    tls: bool


class HTTPClient:
    """Keeps connections for the next request; shared by all backends."""

    def __init__(self) -> None:
        self._idle: dict[_Place, list[Connection]] = {}

    def stream_sse(self, url: str, body: bytes, account: Account) -> AsyncGenerator[list[bytes], None]:
        """POST `body`; yields the `data` of the events of each read. Closing it drops the connection."""
        return self.stream(url, body, account, SSEParser())

    async def stream(
        self, url: str, body: bytes, account: Account, parser: Framing
    ) -> AsyncGenerator[list[bytes], None]:
        """As `stream_sse`, of events in any framing."""
        async with self._exchange(url, body, account) as response:
            while data := await response.read():
                if events := parser.feed(data):
                    yield events
            if events := parser.close():
                yield events

    async def post_json(self, url: str, body: bytes, account: Account) -> bytes:
        """POST `body`; the whole response."""
        async with self._exchange(url, body, account) as response:
            parts: list[bytes] = []
            while data := await response.read():
                parts.append(data)
            return b"".join(parts)

    async def aclose(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    @asynccontextmanager
    async def _exchange(self, url: str, body: bytes, account: Account) -> AsyncGenerator[Connection, None]:
        """The connection of a response with status 200; kept for another if it was read to its end."""
        place, connection = await self._post(url, body, account)
        try:
            if connection.status != 200:
                raise await _refused(url, connection)
            yield connection
        except OSError as error:
            raise _failure(url, account, error) from error
        finally:
            self._release(place, connection)

    async def _post(self, url: str, body: bytes, account: Account) -> tuple[_Place, Connection]:
        """The connection once the response's headers are there.

        A pooled one that the server closed before it said anything is tried once more, on a new connection.
        """
        place, head = _target(url)
        request = b"%b%bcontent-length: %d\r\n\r\n%b" % (head, account.head, len(body), body)
        pooled = self._pooled(place)
        connection = pooled
        try:
            if connection is None:
                connection = await _connect(place, account)
            try:
                await connection.send(request, account.read_s)
            except ConnectionError:
                if pooled is None or connection.answered:
                    raise
                connection.close()
                connection = await _connect(place, account)
                await connection.send(request, account.read_s)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, OSError):
                raise _failure(url, account, error) from error
            raise
        return place, connection

    def _pooled(self, place: _Place) -> Connection | None:
        idle = self._idle.get(place, [])
        while idle:
            connection = idle.pop()
            if connection.reusable and connection.idle_s < _IDLE_S:
                return connection
            connection.close()
        return None

    def _release(self, place: _Place, connection: Connection) -> None:
        if not connection.reusable:
            connection.close()
            return
        idle = self._idle.setdefault(place, [])
        while idle and (idle[0].closed or idle[0].idle_s > _IDLE_S):
            idle.pop(0).close()
        idle.append(connection)


async def _connect(place: _Place, account: Account) -> Connection:
    loop = asyncio.get_running_loop()
    context = _tls() if place.tls else None
    try:
        async with asyncio.timeout(account.connect_s):
            _, connection = await loop.create_connection(Connection, place.host, place.port, ssl=context)
    except TimeoutError as error:
        raise TimeoutError(f"no connection within {account.connect_s:g} s") from error
    return connection


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


@lru_cache(maxsize=256)
def _target(url: str) -> tuple[_Place, bytes]:
    """Where to connect, and the request's first lines."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url!r} isn't a web address", hint="base_url begins with http:// or https://")
    if parts.username is not None:
        raise ConfigError("a base_url can't carry a user's name", hint="send it in the provider's headers")
    tls = parts.scheme == "https"
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\nuser-agent: {_USER_AGENT}\r\n"
        "accept: */*\r\naccept-encoding: identity\r\n"
    )
    return _Place(parts.hostname, parts.port or (443 if tls else 80), tls), head.encode("ascii")


def _failure(url: str, account: Account, error: OSError) -> UpstreamError:
    if isinstance(error, TimeoutError):
        hint = "raise connect_timeout_s or read_timeout_s of the provider, or see whether it is overloaded"
        return UpstreamTimeout(f"{url}: {error}", hint=hint)
    what = str(error) or type(error).__name__
    return UpstreamError(f"{url}: {what}", hint="is the server running and reachable?")


async def _refused(url: str, connection: Connection) -> UpstreamError:
    excerpt = b""
    while len(excerpt) < 4096 and (data := await connection.read()):
        excerpt += data
    hints = {
        401: "check the provider's api_key_env",
        403: "check the provider's api_key_env",
        404: "check base_url and the model's name",
        429: "the provider limits this account's rate: wait, or add another provider",
    }
    after = connection.headers.get(b"retry-after", b"")
    return UpstreamError(
        f"{url} answered {connection.status}: {excerpt.decode(errors='replace').strip()[:_EXCERPT]}",
        hint=hints.get(connection.status),
        upstream_status=connection.status,
        retry_after=float(after) if after.isdigit() else None,
    )
