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
    ConfigError,
    EngineDied,
    Told,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
)
from perpend.transport.addresses import resolved, web_address
from perpend.transport.connection import Connection, NotHTTP
from perpend.transport.failures import malformed, refusal
from perpend.transport.ndjson import MOST_BODY
from perpend.transport.proxy_tunnel import tunnel
from perpend.transport.sse import SSEParser

_USER_AGENT = f"perpend/{version('perpend')}"
_EXCERPT_BYTES = 4096
_SHORTEST_SECRET = 12
_LAST_S = 5.0
"""For which the client's end waits for what was still to be sent."""
_IDLE_S = 30.0
"""A connection that idled longer may have been closed at the other end: it isn't used again."""
NOTICED_S = 0.2
"""In which the end of an engine that died is noticed: who asks after that waits for the next one."""


class Timeouts(NamedTuple):
    """Seconds that each phase of a call may take."""

    connect_s: float = 10.0
    first_token_s: float = 300.0
    """From the request to the first event of its stream, whatever else comes: headers, signs of life."""
    between_s: float = 300.0
    """Without a byte, once it has begun."""
    total_s: float = 3600.0


class Signer(Protocol):
    """Authorises each request anew, at places where a fixed key isn't enough."""

    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """Those that authorise this request. Raises UpstreamError or ConfigError."""
        ...

    def refused(self, headers: dict[str, str]) -> bool:
        """A server answered 401 to these: whether asking for others makes sense."""
        ...


class UpstreamAccount:
    """What every request to one provider carries. Raises ConfigError for a header that isn't one."""

    __slots__ = ("_secrets", "head", "key", "name", "own", "proxy", "signer", "timeouts")

    def __init__(
        self,
        headers: Mapping[str, str],
        timeouts: Timeouts | None = None,
        proxy: str | None = None,
        signer: Signer | None = None,
        *,
        name: str = "the server",
        key: str = "",
        own: bool = False,
    ) -> None:
        """`proxy`: the address of an HTTP proxy; None: HTTPS_PROXY, where the address begins with https.

        `signer`: asked for more headers before each request; None: these are all. `name`: what clients know the place
        by. `key`: where its key is from. `own`: an engine of this house, where nothing is paid for.
        """
        self.name = name
        self.key = key
        self.own = own
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

    def redact(self, said: bytes) -> bytes:
        """What an upstream said, without the key if it repeats it."""
        for secret in self._secrets:
            said = said.replace(secret, b"(hidden)")
        return said

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """The same with more headers."""
        other = copy(self)
        other._add(headers)
        return other

    def with_default(self, name: str, value: str) -> Self:
        """The same with one header more, unless it has that one."""
        return self if f"{name}:".encode() in self.head.lower() else self.with_headers({name: value})

    def lasting(self, total_s: float) -> Self:
        """The same for a call that has so long left."""
        other = copy(self)
        other.timeouts = self.timeouts._replace(total_s=total_s)
        return other


class Framing(Protocol):
    """Cuts a streamed body into events."""

    whole: bool
    """One body came in the place of a stream."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes."""
        ...

    def close(self) -> list[bytes]:
        """What the body's end completes."""
        ...


class _Whole:
    """A body that is one event."""

    whole = True

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        self._body += chunk
        if len(self._body) > MOST_BODY:
            raise ValueError(f"a response of more than {MOST_BODY} bytes")
        return []

    def close(self) -> list[bytes]:
        return [bytes(self._body)]


class _Place(NamedTuple):
    host: str
    port: int
    tls: bool
    proxy: str = ""


class HTTPClient:
    """Keeps connections for the next request; shared by all backends."""

    def __init__(self, *, public_only: bool = False) -> None:
        """`public_only`: for addresses that a client names. None of our own network is connected to, and no proxy
        is used, as nobody knows what it would connect to.
        """
        self.public_only = public_only
        self._idle: dict[_Place, list[Connection]] = {}
        self._later: set[asyncio.Task[None]] = set()

    def stream_sse(
        self, url: str, body: bytes | None, account: UpstreamAccount
    ) -> AsyncGenerator[list[bytes], None]:
        """POST `body`, or GET where it is None; yields the `data` of the events of each read.

        Closing it drops the connection.
        """
        return self.stream(url, body, account, SSEParser())

    async def stream(
        self, url: str, body: bytes | None, account: UpstreamAccount, parser: Framing
    ) -> AsyncGenerator[list[bytes], float | None]:
        """As `stream_sse`, of events in any framing. The connection is kept if it was read to its end.

        Sent a number of seconds, it waits for anything more no longer than that.
        """
        if account.signer is None:
            place, connection = await self._send(url, body, account)
        else:
            place, connection, account = await self._send_signed(url, body, account, account.signer)
        try:
            if connection.status != 200:
                raise await _refused(url, connection, account)
            while data := await connection.read():
                if events := parser.feed(data):
                    connection.begun(account.timeouts.between_s)
                    last_s = yield events
                    if last_s is not None:
                        connection.wait_at_most(last_s)
            if events := parser.close():
                yield events
        except OSError as error:
            raise _failure(url, error, account) from error
        except ValueError as error:
            raise malformed(url, error, account.name) from error
        finally:
            self._release(place, connection)

    async def post_json(self, url: str, body: bytes, account: UpstreamAccount) -> bytes:
        """POST `body`; the whole response."""
        return await self._whole(url, body, account)

    async def get_json(self, url: str, account: UpstreamAccount) -> bytes:
        """GET; the whole response."""
        return await self._whole(url, None, account)

    async def _whole(self, url: str, body: bytes | None, account: UpstreamAccount) -> bytes:
        (whole,) = [one async for read in self.stream(url, body, account, _Whole()) for one in read]
        return whole

    def later(self, work: Coroutine[None, None, None]) -> None:
        """What is done with nobody waiting for it, but `aclose`; an UpstreamError in it is nobody's."""

        async def done() -> None:
            with suppress(UpstreamError):
                await work

        task = asyncio.get_running_loop().create_task(done())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def aclose(self) -> None:
        if self._later:
            _, late = await asyncio.wait(self._later, timeout=_LAST_S)
            for task in late:
                task.cancel()
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _send_signed(
        self, url: str, body: bytes | None, account: UpstreamAccount, signer: Signer
    ) -> tuple[_Place, Connection, UpstreamAccount]:
        """As `_send`, and the account as it signed; once more where that was refused and may be renewed."""
        method, content = "GET" if body is None else "POST", body or b""
        headers = await signer.headers(method, url, content)
        signed = account.with_headers(headers)
        place, connection = await self._send(url, body, signed)
        if connection.status == 401 and signer.refused(headers):
            connection.close()
            signed = account.with_headers(await signer.headers(method, url, content))
            place, connection = await self._send(url, body, signed)
        return place, connection, signed

    async def _send(
        self, url: str, body: bytes | None, account: UpstreamAccount
    ) -> tuple[_Place, Connection]:
        """The connection once the response's headers are there.

        A pooled one that the server closed before it said anything is tried once more, on a new connection.
        """
        place, head = _target(url)
        if self.public_only:
            place = place._replace(proxy="")
        elif account.proxy is not None:
            place = place._replace(proxy=account.proxy)
        if body is None:
            request = b"GET%b%b\r\n" % (head, account.head)
        else:
            request = b"POST%b%bcontent-length: %d\r\n\r\n%b" % (head, account.head, len(body), body)
        timeouts = account.timeouts
        pooled = self._pooled(place)
        connection = pooled
        try:
            if connection is None:
                connection = await self._connect(place, timeouts)
            try:
                await connection.send(request, timeouts.first_token_s, timeouts.total_s)
            except ConnectionError:
                if pooled is None or connection.answered:
                    raise
                connection.close()
                connection = None
                connection = await self._connect(place, timeouts)
                await connection.send(request, timeouts.first_token_s, timeouts.total_s)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, OSError):
                raise _failure(url, error, account, billed=connection is not None) from error
            raise
        return place, connection

    async def _connect(self, place: _Place, timeouts: Timeouts) -> Connection:
        """Raises OSError, which is NotPublic for an address that isn't public where it must be."""
        context = _tls() if place.tls else None
        try:
            async with asyncio.timeout(timeouts.connect_s):
                if place.proxy:
                    return await tunnel(place.proxy, place.host, place.port, context)
                hosts = await resolved(place.host, place.port) if self.public_only else [place.host]
                return await _opened(hosts, place, context)
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {timeouts.connect_s:g} s") from error

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


async def _opened(hosts: list[str], place: _Place, context: ssl.SSLContext | None) -> Connection:
    """To the first of `hosts`, names or addresses of `place`, that takes it. Raises OSError."""
    loop = asyncio.get_running_loop()
    name = place.host if context else None
    for left, host in zip(reversed(range(len(hosts))), hosts, strict=True):
        try:
            _, connection = await loop.create_connection(
                Connection, host, place.port, ssl=context, server_hostname=name
            )
        except OSError:
            if not left:
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
def _target(url: str) -> tuple[_Place, bytes]:
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
    return _Place(host, port, tls, proxy), head.encode()


def _failure(url: str, error: OSError, account: UpstreamAccount, *, billed: bool = True) -> UpstreamError:
    what, told = str(error) or type(error).__name__, f"{account.name}: {_outside(error)}"
    kind, hint = UpstreamError, "is the server running and reachable?"
    if isinstance(error, TimeoutError):
        kind = UpstreamTimeout
        hint = "see whether it is overloaded, or raise the provider's time-outs (…_timeout_s)"
    elif account.own:
        kind, hint = EngineDied, "it is started again; see its log when that goes on"
    elif isinstance(error, NotHTTP):
        kind, hint = UpstreamMalformed, "does base_url name an HTTP server?"
    return kind(
        f"{url}: {what}",
        hint=hint,
        retry_after=NOTICED_S if account.own else None,
        outside=Told(told, "send it again, or ask another model"),
        billed=billed and not account.own,
    )


def _outside(error: OSError) -> str:
    """What happened, without where: the system's words may hold addresses, ours don't."""
    if isinstance(error, socket.gaierror):
        return "its name isn't known"
    if isinstance(error, ssl.SSLError):
        return "no secure connection"
    if error.errno is not None:
        return os.strerror(error.errno)
    return str(error) if isinstance(error, TimeoutError | NotHTTP) else "the connection broke off"


async def _refused(url: str, connection: Connection, account: UpstreamAccount) -> UpstreamError:
    excerpt = b""
    with suppress(OSError):  # what it said before it broke off is enough
        while len(excerpt) < _EXCERPT_BYTES and (data := await connection.read()):
            excerpt += data
    said = account.redact(excerpt)
    refused = refusal(url, said, status=connection.status, headers=connection.headers, outside=account.name)
    if isinstance(refused, AccountRefused) and account.key:
        refused.hint = (
            f"{account.name}: is {account.key} right? If so, see its credit, base_url and the model's name"
        )
    return refused
