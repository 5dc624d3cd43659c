"""The client of upstreams: pooled connections, streamed bodies, failures as UpstreamError."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import suppress
from copy import copy
from functools import cache, lru_cache
from importlib.metadata import version
from typing import NamedTuple, Protocol, Self
from urllib.request import getproxies_environment, proxy_bypass

from perpend.errors import (
    AccountRefused,
    ClientMessage,
    ConfigError,
    EngineDied,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
)
from perpend.transport.addresses import resolved, web_address
from perpend.transport.connection import Connection, NotHTTP
from perpend.transport.failures import malformed, refusal
from perpend.transport.ndjson import MAX_BODY_BYTES
from perpend.transport.proxy_tunnel import tunnel
from perpend.transport.sse import SSEParser

_USER_AGENT = f"perpend/{version('perpend')}"
_EXCERPT_BYTES = 4096
_SHORTEST_SECRET = 12
_BACKGROUND_S = 5.0
"""Seconds that `aclose` waits for background work."""
_IDLE_S = 30.0
"""Seconds after which an idle connection isn't used again: the other end may have closed it."""
ENGINE_EXIT_NOTICED_S = 0.2
"""Seconds within which an engine's death is noticed; a call made after that waits for its successor."""


class Timeouts(NamedTuple):
    """Seconds that each phase of a call may take."""

    connect_s: float = 10.0
    first_token_s: float = 300.0
    """From the request to the first event of its stream; headers and keep-alive comments don't count."""
    read_s: float = 300.0
    """Between two reads, once the stream has begun."""
    total_s: float = 3600.0


class Signer(Protocol):
    """Signs each request anew, for servers where a fixed key isn't enough."""

    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """The headers that authorise this request. Raises UpstreamError or ConfigError."""
        ...

    def refused(self, headers: dict[str, str]) -> bool:
        """A server answered 401 to these headers. Returns whether new ones may be accepted."""
        ...


class UpstreamAccount:
    """What every request to one provider carries. Raises ConfigError for a header that isn't one."""

    __slots__ = ("_secrets", "head", "is_engine", "key", "name", "proxy", "signer", "timeouts")

    def __init__(
        self,
        headers: Mapping[str, str],
        timeouts: Timeouts | None = None,
        proxy: str | None = None,
        signer: Signer | None = None,
        *,
        name: str = "the server",
        key: str = "",
        is_engine: bool = False,
    ) -> None:
        """`proxy`: the address of an HTTP proxy; None: HTTPS_PROXY, for URLs that begin with https.

        `signer`: asked for more headers before each request; None: `headers` are all. `name`: what clients know the
        provider by. `key`: where its key comes from, for hints. `is_engine`: it is an engine that Perpend runs, where
        nothing is billed. Raises ConfigError for a header that can't be sent.
        """
        self.name = name
        self.key = key
        self.is_engine = is_engine
        self.head = b""
        self.timeouts = timeouts or Timeouts()
        self.proxy = proxy
        self.signer = signer
        self._secrets: tuple[bytes, ...] = ()
        self._add(headers)

    def _add(self, headers: Mapping[str, str]) -> None:
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        if any(line.count("\r") + line.count("\n") > 2 or not line.isascii() for line in lines):
            names = ", ".join(headers)
            hint = "no line breaks, ASCII only: see the key's file or variable for stray characters"
            raise ConfigError(f"a header of a provider can't be sent ({names})", hint=hint)
        self.head += "".join(lines).encode()
        words = " ".join(value for name, value in headers.items() if name.lower() != "content-type").split()
        self._secrets += tuple(word.encode() for word in words if len(word) >= _SHORTEST_SECRET)

    def redact(self, body: bytes) -> bytes:
        """An upstream's body with the account's secrets hidden, should it repeat them."""
        for secret in self._secrets:
            body = body.replace(secret, b"(hidden)")
        return body

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """A copy with more headers. Raises ConfigError for one that can't be sent."""
        other = copy(self)
        other._add(headers)
        return other

    def with_default(self, name: str, value: str) -> Self:
        """A copy with one more header, unless it already has one of that name. Raises ConfigError."""
        return self if f"{name}:".encode() in self.head.lower() else self.with_headers({name: value})

    def with_total_timeout(self, total_s: float) -> Self:
        """A copy for a call that has `total_s` seconds left."""
        other = copy(self)
        other.timeouts = self.timeouts._replace(total_s=total_s)
        return other


class Framing(Protocol):
    """Cuts a streamed body into events."""

    whole: bool
    """The body is one JSON document in place of a stream of events."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes."""
        ...

    def close(self) -> list[bytes]:
        """What the body's end completes."""
        ...


class _WholeBody:
    """Implements `Framing`: the whole body is one event."""

    whole = True

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        self._body += chunk
        if len(self._body) > MAX_BODY_BYTES:
            raise ValueError(f"a response of more than {MAX_BODY_BYTES} bytes")
        return []

    def close(self) -> list[bytes]:
        return [bytes(self._body)]


class _Origin(NamedTuple):
    """What a pooled connection leads to."""

    host: str
    port: int
    tls: bool
    proxy: str = ""


class HTTPClient:
    """Keeps connections for the next request; shared by all backends."""

    def __init__(self, *, public_only: bool = False) -> None:
        """`public_only`: for addresses that clients name. Private addresses are refused, and no proxy is used, since
        a proxy could connect to one.
        """
        self.public_only = public_only
        self._idle: dict[_Origin, list[Connection]] = {}
        self._background: set[asyncio.Task[None]] = set()

    def stream_sse(
        self, url: str, body: bytes | None, account: UpstreamAccount
    ) -> AsyncGenerator[list[bytes], None]:
        """POST `body`, or GET where it is None; yields the `data` of the events that each read completes.

        Closing the generator drops the connection. Raises UpstreamError and ConfigError.
        """
        return self.stream(url, body, account, SSEParser())

    async def stream(
        self, url: str, body: bytes | None, account: UpstreamAccount, parser: Framing
    ) -> AsyncGenerator[list[bytes], float | None]:
        """As `stream_sse`, for events in any framing. The connection is kept if the body was read to its end.

        A number sent into the generator bounds, in seconds, the wait for the next read.
        """
        if account.signer is None:
            origin, connection = await self._send(url, body, account)
        else:
            origin, connection, account = await self._send_signed(url, body, account, account.signer)
        try:
            if connection.status != 200:
                raise await _refused(url, connection, account)
            while data := await connection.read():
                if events := parser.feed(data):
                    connection.stream_began(account.timeouts.read_s)
                    wait_s = yield events
                    if wait_s is not None:
                        connection.wait_at_most(wait_s)
            if events := parser.close():
                yield events
        except OSError as error:
            raise _failure(url, error, account) from error
        except ValueError as error:
            raise malformed(url, error, account.name) from error
        finally:
            self._release(origin, connection)

    async def post_json(self, url: str, body: bytes, account: UpstreamAccount) -> bytes:
        """POST `body`; returns the whole response. Raises UpstreamError and ConfigError."""
        return await self._whole(url, body, account)

    async def get_json(self, url: str, account: UpstreamAccount) -> bytes:
        """GET; returns the whole response. Raises UpstreamError and ConfigError."""
        return await self._whole(url, None, account)

    async def _whole(self, url: str, body: bytes | None, account: UpstreamAccount) -> bytes:
        (whole,) = [
            event async for events in self.stream(url, body, account, _WholeBody()) for event in events
        ]
        return whole

    def run_in_background(self, work: Coroutine[None, None, None]) -> None:
        """Start `work`; only `aclose` waits for it, and an UpstreamError in it is dropped."""

        async def run() -> None:
            with suppress(UpstreamError):
                await work

        task = asyncio.get_running_loop().create_task(run())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def aclose(self) -> None:
        """Wait a few seconds for background work, then close all idle connections."""
        if self._background:
            _, late = await asyncio.wait(self._background, timeout=_BACKGROUND_S)
            for task in late:
                task.cancel()
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _send_signed(
        self, url: str, body: bytes | None, account: UpstreamAccount, signer: Signer
    ) -> tuple[_Origin, Connection, UpstreamAccount]:
        """As `_send`, with the signed account; signs and sends once more after a 401 that new headers may mend."""
        method, content = "GET" if body is None else "POST", body or b""
        headers = await signer.headers(method, url, content)
        signed = account.with_headers(headers)
        origin, connection = await self._send(url, body, signed)
        if connection.status == 401 and signer.refused(headers):
            connection.close()
            signed = account.with_headers(await signer.headers(method, url, content))
            origin, connection = await self._send(url, body, signed)
        return origin, connection, signed

    async def _send(
        self, url: str, body: bytes | None, account: UpstreamAccount
    ) -> tuple[_Origin, Connection]:
        """The connection once the response's headers have come.

        A pooled connection that the server closed before it answered is replaced by a new one, once.
        """
        origin, head = _target(url)
        if self.public_only:
            origin = origin._replace(proxy="")
        elif account.proxy is not None:
            origin = origin._replace(proxy=account.proxy)
        if body is None:
            request = b"GET%b%b\r\n" % (head, account.head)
        else:
            request = b"POST%b%bcontent-length: %d\r\n\r\n%b" % (head, account.head, len(body), body)
        timeouts = account.timeouts
        pooled = self._pooled(origin)
        connection = pooled
        try:
            if connection is None:
                connection = await self._connect(origin, timeouts)
            try:
                await connection.send(request, timeouts.first_token_s, timeouts.total_s)
            except ConnectionError:
                if pooled is None or connection.answered:
                    raise
                connection.close()
                connection = None
                connection = await self._connect(origin, timeouts)
                await connection.send(request, timeouts.first_token_s, timeouts.total_s)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, OSError):
                raise _failure(url, error, account, billed=connection is not None) from error
            raise
        return origin, connection

    async def _connect(self, origin: _Origin, timeouts: Timeouts) -> Connection:
        """Raises OSError, which is NotPublic for an address that isn't public where it must be."""
        context = _tls() if origin.tls else None
        try:
            async with asyncio.timeout(timeouts.connect_s):
                if origin.proxy:
                    return await tunnel(origin.proxy, origin.host, origin.port, context)
                hosts = await resolved(origin.host, origin.port) if self.public_only else [origin.host]
                return await _opened(hosts, origin, context)
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {timeouts.connect_s:g} s") from error

    def _pooled(self, origin: _Origin) -> Connection | None:
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if connection.reusable and connection.idle_s < _IDLE_S:
                return connection
            connection.close()
        return None

    def _release(self, origin: _Origin, connection: Connection) -> None:
        if not connection.reusable:
            connection.close()
            return
        idle = self._idle.setdefault(origin, [])
        while idle and (idle[0].closed or idle[0].idle_s > _IDLE_S):
            idle.pop(0).close()
        idle.append(connection)


async def _opened(hosts: list[str], origin: _Origin, context: ssl.SSLContext | None) -> Connection:
    """A connection to the first of `hosts`, names or addresses of `origin`, that accepts. Raises OSError."""
    loop = asyncio.get_running_loop()
    name = origin.host if context else None
    for remaining, host in zip(reversed(range(len(hosts))), hosts, strict=True):
        try:
            _, connection = await loop.create_connection(
                Connection, host, origin.port, ssl=context, server_hostname=name
            )
        except OSError:
            if not remaining:
                raise
        else:
            return connection
    raise AssertionError("a name has at least one address")


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


@lru_cache(maxsize=256)
def _target(url: str) -> tuple[_Origin, bytes]:
    """Where to connect, and the request's first lines after its method.

    HTTPS_PROXY and NO_PROXY are read once for each address.
    """
    try:
        address = web_address(url)
    except ValueError as error:
        raise ConfigError(
            f"a web address of the config {error}", hint='such as "https://HOST:PORT/v1"'
        ) from None
    head = (
        f" {address.target} HTTP/1.1\r\nhost: {address.authority}\r\nuser-agent: {_USER_AGENT}\r\n"
        "accept: */*\r\naccept-encoding: identity\r\n"
    )
    tls, host, port = address.tls, address.host, address.port
    proxy = ""  # plain HTTP is for one's own network
    if tls and not proxy_bypass(f"{host}:{port}"):
        proxy = getproxies_environment().get("https", "")
    return _Origin(host, port, tls, proxy), head.encode()


def _failure(url: str, error: OSError, account: UpstreamAccount, *, billed: bool = True) -> UpstreamError:
    what = str(error) or type(error).__name__
    kind, hint = UpstreamError, "is the server running and reachable?"
    if isinstance(error, TimeoutError):
        kind = UpstreamTimeout
        hint = "see whether it is overloaded, or raise the provider's time-outs (…_timeout_s)"
    elif account.is_engine:
        kind, hint = EngineDied, "it is started again; see its log when that goes on"
    elif isinstance(error, NotHTTP):
        kind, hint = UpstreamMalformed, "does base_url name an HTTP server?"
    return kind(
        f"{url}: {what}",
        hint=hint,
        retry_after=ENGINE_EXIT_NOTICED_S if account.is_engine else None,
        redacted=ClientMessage(
            f"{account.name}: {_public_reason(error)}", "send it again, or ask another model"
        ),
        billed=billed and not account.is_engine,
    )


def _public_reason(error: OSError) -> str:
    """What happened, without addresses, which the system's own messages may hold."""
    if isinstance(error, socket.gaierror):
        return "its name isn't known"
    if isinstance(error, ssl.SSLError):
        return "no secure connection"
    if error.errno is not None:
        return os.strerror(error.errno)
    return str(error) if isinstance(error, TimeoutError | NotHTTP) else "the connection broke off"


async def _refused(url: str, connection: Connection, account: UpstreamAccount) -> UpstreamError:
    excerpt = b""
    with suppress(OSError):  # what came before it broke off is enough
        while len(excerpt) < _EXCERPT_BYTES and (data := await connection.read()):
            excerpt += data
    refused = refusal(
        url,
        account.redact(excerpt),
        status=connection.status,
        headers=connection.headers,
        public_name=account.name,
    )
    if isinstance(refused, AccountRefused) and account.key:
        refused.hint = (
            f"{account.name}: is {account.key} right? If so, see its credit, base_url and the model's name"
        )
    return refused
