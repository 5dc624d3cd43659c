"""One HTTP/1.1 connection to an upstream: a request at a time, its response in pieces as they come.

What relays every token had to be short (docs/decisions/0004); parsing is httptools' (llhttp, as Node.js uses it).
"""

import asyncio
import zlib
from typing import Any, cast

import httptools

_HIGH_WATER = 1 << 18
"""Bytes that may wait to be read before the upstream is told to pause."""
_GZIP_OR_ZLIB = 47
_MOST_HEAD = 1 << 16
"""Bytes of a response's status line and headers."""
_MOST_INFLATED = 1 << 24
"""Bytes that one compressed piece may become."""


class NotHTTP(ConnectionAbortedError):
    """What came can't be read as a response."""


class Connection(asyncio.Protocol):
    """Errors come out of `send` and `read` as OSError; TimeoutError is one of them."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        """Of the response, names in lower case."""
        self.answered = False
        """Some of the response has come."""
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("Any", None)  # before anything else happens
        self._pieces: list[bytes] = []
        self._body: list[bytes] = []
        self.on_body = self._body.append  # httptools calls it for each chunk of the body
        self._parser = httptools.HttpResponseParser(self)
        self._waiting_bytes = 0
        self._paused = False
        self._inflate: Any = None
        self._complete = True
        self._headers_complete = False
        self._keep_alive = True
        self._failure: OSError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._patience_s = 0.0
        self._heard_at = 0.0
        self._waits_for = ""
        self._ends_at = self._total_s = 0.0
        self._head_bytes = 0

    @property
    def reusable(self) -> bool:
        """The response was read to its end and another request may follow."""
        return self._complete and not self.closed and not self._pieces and self._keep_alive

    @property
    def idle_s(self) -> float:
        """Since its last response was complete."""
        return self._loop.time() - self._heard_at

    async def send(self, request: bytes, patience_s: float, total_s: float) -> None:
        """Write a whole request, then wait for the response's headers: `patience_s` at most for its first token.

        Whatever happens, the response ends within `total_s`.
        """
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.headers, self.answered = 0, {}, False
        self._complete = self._headers_complete = False
        self._inflate = self._failure = None
        self._head_bytes = 0
        self._patience_s, self._heard_at = patience_s, self._loop.time()
        self._waits_for, self._total_s, self._ends_at = "the first token", total_s, self._heard_at + total_s
        self._timer = self._loop.call_later(min(patience_s, total_s), self._look)
        self._transport.write(request)
        while not self._headers_complete:
            await self._more()

    def begun(self, patience_s: float) -> None:
        """The first token is there: from now on nothing may come for `patience_s` at most."""
        if self._waits_for:
            self._waits_for, self._patience_s, self._heard_at = "", patience_s, self._loop.time()
            self._end_timer()
            if not self._complete:
                self._look()

    def wait_at_most(self, patience_s: float) -> None:
        """For anything more, where the response isn't complete yet."""
        if not self._complete:
            self._patience_s, self._heard_at = patience_s, self._loop.time()
            self._end_timer()
            self._look()

    async def read(self) -> bytes:
        """What has come since the last time; nothing at the end."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._more()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._waiting_bytes = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Drop the connection at once; an upstream that was generating notices."""
        self._end_timer()
        if not self.closed:
            self.closed = True
            self._transport.abort()

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self.closed:
            raise ConnectionResetError("the server closed the connection")
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: OSError) -> None:
        self._failure = failure
        self.close()
        self._wake()

    def _look(self) -> None:
        """One timer a response, not one a piece: when it rings it looks how long nothing has come."""
        now = self._loop.time()
        left = self._heard_at + self._patience_s - now
        if self._ends_at <= now:
            self._fail(TimeoutError(f"no end came within {self._total_s:g} s"))
        elif self._paused or left > 0:  # paused: it is the reader who is slow
            self._timer = self._loop.call_later(min(max(left, 0.05), self._ends_at - now), self._look)
        else:
            missing = self._waits_for or "nothing"
            came = "didn't come within" if self._waits_for else "came for"
            self._fail(TimeoutError(f"{missing} {came} {self._patience_s:g} s"))

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._complete:  # nobody asked: whatever it is, it isn't the answer to the next request
            self.close()
            return
        if not self._waits_for:
            self._heard_at = self._loop.time()
        self.answered = True
        try:
            try:
                self._parser.feed_data(data)
            finally:  # what came before it broke counts
                if self._body:
                    self._take(b"".join(self._body))
                    self._body.clear()
        except (httptools.HttpParserError, zlib.error, ValueError) as error:
            self._fail(NotHTTP(f"that isn't HTTP: {error}"))
        if not self._headers_complete:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD:
                self._fail(NotHTTP(f"its headers have more than {_MOST_HEAD} bytes"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._end_timer()
        unbounded = not {b"content-length", b"transfer-encoding"} & self.headers.keys()
        if self._headers_complete and unbounded and exc is None and self._failure is None:
            self._complete = True  # such a body ends with its connection
        elif not self._complete and self._failure is None:
            self._failure = ConnectionResetError(str(exc or "the server closed the connection"))
        self._wake()

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:  # 100 Continue, 103 Early Hints: the response is still to come
            return
        self._headers_complete = True
        if self.headers.get(b"content-encoding") in (b"gzip", b"deflate"):
            self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)

    def _take(self, body: bytes) -> None:
        """What one read brought of the body. Raises ValueError or zlib.error where it can't be inflated."""
        if self._inflate is not None:
            body = self._inflate.decompress(body, _MOST_INFLATED)
            if self._inflate.unconsumed_tail:
                raise ValueError("a compressed piece has more than 16 MiB")
        if body:
            self._pieces.append(body)
            self._waiting_bytes += len(body)
        if self._waiting_bytes > _HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._headers_complete:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()  # afterwards it forgets
            self._end_timer()
        else:
            self.headers = {}
