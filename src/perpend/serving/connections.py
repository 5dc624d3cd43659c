"""Bounds on connections: the size and time of a request's head, and the number of idle connections.

uvicorn's httptools protocol has no such bounds. This one also tells a client that has only finished sending from one
that has gone (see `waiting`).
"""

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from perpend.errors import BadRequest, HeadTimeout, HeadTooLarge
from perpend.serving import errors, waiting
from perpend.serving.response_cycle import ResponseCycle

HEAD_BYTES = 65_536
"""Bytes of a request's line and headers at most; also of a body's framing, such as trailers."""
HEADERS = 100
"""Headers of a request at most."""
HEAD_S = 10.0
"""Seconds from the first byte of a head to its last, at most."""
EOF_GRACE_S = 0.2
"""Seconds after a request within which the end of the client's stream only ends the request."""


class IdleConnections:
    """The connections of a server without a current request, the longest idle first."""

    def __init__(self, limit: int, limit_per_address: int) -> None:
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._all: dict[ServerConnection, None] = {}
        self._by_address: dict[str, dict[ServerConnection, None]] = {}

    def add(self, connection: "ServerConnection") -> None:
        """Add an idle connection. Beyond a limit, close the longest idle one: of its address, or of all."""
        neighbours = self._by_address.setdefault(connection.address, {})
        neighbours[connection] = self._all[connection] = None
        if len(neighbours) > self._limit_per_address:
            next(iter(neighbours)).close()
        elif len(self._all) > self._limit:
            next(iter(self._all)).close()

    def discard(self, connection: "ServerConnection") -> None:
        """Remove a connection, if it is among them."""
        self._all.pop(connection, None)
        neighbours = self._by_address.get(connection.address)
        if neighbours is not None:
            neighbours.pop(connection, None)
            if not neighbours:
                del self._by_address[connection.address]


class _Refused(Exception):
    """Ends the parsing of a refused request."""


class ServerConnection(HttpToolsProtocol):
    """A client's connection. Refuses a request whose head is too large or too slow."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        idle: IdleConnections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.address = ""
        self._idle = idle
        self._in_head = False
        """Whether a head has begun and isn't complete."""
        self._pending_bytes = 0
        """Bytes received since the parser's last callback: of a head, or of a body's framing."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal: HeadTooLarge | HeadTimeout | None = None
        self._request_complete_at = 0.0
        """When the current request was complete or the last response was sent, whichever is later; loop time in s."""
        self._client_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- as uvicorn's
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        self._idle.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.discard(self)
        self._unset_head_timer()
        if self._client_timer is not None:
            self._client_timer.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride] -- as asyncio's
        """True keeps the connection open: its client still waits for an answer."""
        if not self._answering or self.cycle.more_body:
            return False
        client = self.transport.get_extra_info("socket")
        is_waiting = waiting.is_waiting(client)
        if is_waiting is None:
            is_waiting = self.loop.time() - self._request_complete_at < EOF_GRACE_S
        if is_waiting:
            self.cycle.keep_alive = False
            waiting.set_keep_alive(client)
            self._client_timer = self.loop.call_later(EOF_GRACE_S, self._check_client)
        return is_waiting

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), HEAD_BYTES):
            piece = data if len(data) <= HEAD_BYTES else data[start : start + HEAD_BYTES]
            self._pending_bytes += len(piece)
            super().data_received(piece)
            if self._pending_bytes > HEAD_BYTES and self._refusal is None:
                self._refuse(_too_large())
            if self.transport.is_closing():
                return
        if not self._in_head:
            self._unset_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self._on_head_timeout)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Raises _Refused, which ends the parsing, for a head that is too large."""
        if len(self.headers) > HEADERS or (
            self._pending_bytes > HEAD_BYTES and self._head_bytes() > HEAD_BYTES
        ):
            self._refusal = _too_large()
            raise _Refused
        self._in_head = False
        self._pending_bytes = 0
        self._idle.discard(self)
        super().on_headers_complete()
        self.cycle.__class__ = ResponseCycle  # uvicorn names no other

    def on_body(self, body: bytes) -> None:
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._pending_bytes = 0
        self._request_complete_at = self.loop.time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._request_complete_at = self.loop.time()
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._idle.add(self)

    def close(self) -> None:
        """Close an idle connection."""
        self._idle.discard(self)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that can't be parsed with an error body that clients read."""
        unreadable = BadRequest("the request isn't HTTP", hint="check its first line and its headers")
        self._answer(self._refusal or unreadable)
        self.transport.close()

    @property
    def _answering(self) -> bool:
        """Whether the answer to an earlier request is being written."""
        return bool(self.cycle) and not self.cycle.response_complete

    def _check_client(self) -> None:
        """Abort the connection if its client has gone; else check again later."""
        if waiting.is_waiting(self.transport.get_extra_info("socket")) is False:
            self.transport.abort()
        else:
            self._client_timer = self.loop.call_later(waiting.EVERY_S, self._check_client)

    def _on_head_timeout(self) -> None:
        self._head_timer = None
        if self._answering:
            self._head_timer = self.loop.call_later(HEAD_S, self._on_head_timeout)
        else:
            self._refuse(_too_slow())

    def _refuse(self, error: HeadTooLarge | HeadTimeout) -> None:
        self._refusal = error
        self.send_400_response(error.message)

    def _answer(self, error: BadRequest) -> None:
        if self._answering:
            return
        status, _, body = errors.encoded(error)
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(
            body
        )
        self.transport.write(STATUS_LINE[status] + head + body)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _unset_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _too_large() -> HeadTooLarge:
    return HeadTooLarge(
        f"the request's head is larger than {HEAD_BYTES} bytes or {HEADERS} headers",
        hint="send fewer or shorter headers",
    )


def _too_slow() -> HeadTimeout:
    return HeadTimeout(
        f"the request's head didn't come within {HEAD_S:g} s", hint="send the whole head at once"
    )
