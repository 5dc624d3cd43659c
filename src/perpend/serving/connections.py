"""What a connection may take before its request is known: bounds on heads, their time, and on connections that idle.
And how its client's end is taken: that may be the end of what it sends, or nobody waits any more.

uvicorn's protocol on httptools keeps headers without any bound, and half a head for ever.
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
"""Of a request's line and headers; also of what is kept of a body's framing, such as trailers."""
HEADERS = 100
HEAD_S = 10.0
"""From the first byte of a head to its last."""
WITH_S = 0.2
"""The end of what a client sends is taken for the end of its request where it comes so soon after it."""


class Idle:
    """The connections of a server that have no request under way, whoever waits longest first."""

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self._all: dict[ServerConnection, None] = {}
        self._by_address: dict[str, dict[ServerConnection, None]] = {}

    def add(self, connection: "ServerConnection") -> None:
        """One more waits. Where these are too many, the one that waits longest is closed: of its address, or of all."""
        neighbours = self._by_address.setdefault(connection.address, {})
        neighbours[connection] = self._all[connection] = None
        if len(neighbours) > self._most_of_address:
            next(iter(neighbours)).close()
        elif len(self._all) > self._most:
            next(iter(self._all)).close()

    def discard(self, connection: "ServerConnection") -> None:
        self._all.pop(connection, None)
        neighbours = self._by_address.get(connection.address)
        if neighbours is not None:
            neighbours.pop(connection, None)
            if not neighbours:
                del self._by_address[connection.address]


class _Refused(Exception):
    """Ends the parsing of what isn't taken."""


class ServerConnection(HttpToolsProtocol):
    """A connection. Its request is refused where the head has no end, in bytes or in time."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        idle: Idle,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.address = ""
        self._idle = idle
        self._in_head = False
        """A head has begun, and isn't complete."""
        self._untold = 0
        """Bytes that came since something was last told of: of a head, or of a body's framing."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal: HeadTooLarge | HeadTimeout | None = None
        self._asked_at = 0.0
        """When the request that is answered was whole, and nothing kept from reading on."""
        self._look_timer: asyncio.TimerHandle | None = None

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
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride] -- as asyncio's
        """True: answers are still waited for."""
        if not self._answering or self.cycle.more_body:
            return False
        client = self.transport.get_extra_info("socket")
        waits = waiting.waits(client)
        if waits is None:
            waits = self.loop.time() - self._asked_at < WITH_S
        if waits:
            self.cycle.keep_alive = False
            waiting.ask(client)
            self._look_timer = self.loop.call_later(WITH_S, self._look)
        return waits

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), HEAD_BYTES):
            piece = data if len(data) <= HEAD_BYTES else data[start : start + HEAD_BYTES]
            self._untold += len(piece)
            super().data_received(piece)
            if self._untold > HEAD_BYTES and self._refusal is None:
                self._refuse(_too_large())
            if self.transport.is_closing():
                return
        if not self._in_head:
            self._unset_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self._late)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Raises _Refused, which ends the parsing, where the head is too large."""
        if len(self.headers) > HEADERS or (self._untold > HEAD_BYTES and self._head_bytes() > HEAD_BYTES):
            self._refusal = _too_large()
            raise _Refused
        self._in_head = False
        self._untold = 0
        self._idle.discard(self)
        super().on_headers_complete()
        self.cycle.__class__ = ResponseCycle  # uvicorn names no other

    def on_body(self, body: bytes) -> None:
        self._untold = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._untold = 0
        self._asked_at = self.loop.time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._asked_at = self.loop.time()
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._idle.add(self)

    def close(self) -> None:
        """It isn't used."""
        self._idle.discard(self)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What can't be parsed, in a shape that clients read."""
        unreadable = BadRequest("the request isn't HTTP", hint="check its first line and its headers")
        self._answer(self._refusal or unreadable)
        self.transport.close()

    @property
    def _answering(self) -> bool:
        """The answer to an earlier request is being written."""
        return bool(self.cycle) and not self.cycle.response_complete

    def _look(self) -> None:
        """Whether who sends nothing more has gone by now."""
        if waiting.waits(self.transport.get_extra_info("socket")) is False:
            self.transport.abort()
        else:
            self._look_timer = self.loop.call_later(waiting.EVERY_S, self._look)

    def _late(self) -> None:
        self._head_timer = None
        if self._answering:
            self._head_timer = self.loop.call_later(HEAD_S, self._late)
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
    return HeadTimeout(f"the request's head didn't come within {HEAD_S:g} s", hint="send it at once")
