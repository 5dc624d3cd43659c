"""One HTTP/1.1 connection to an upstream: a request at a time, its response in pieces as they come.

Written for the relay of tokens, where a general client was too slow (docs/decisions/0004). httptools parses: it wraps
llhttp, the parser of Node.js.
"""

import asyncio
import zlib
from typing import Any, cast

import httptools

_HIGH_WATER_BYTES = 1 << 18
"""Bytes that may wait to be read before reading from the socket pauses."""
_GZIP_OR_ZLIB = 47
"""zlib's window bits: 32 detects either header, 15 is the largest window."""
_MAX_HEAD_BYTES = 1 << 16
"""Bytes of a response's status line and headers."""
_MAX_INFLATED_BYTES = 1 << 24
"""Bytes that one compressed read may inflate to."""


class NotHTTP(ConnectionAbortedError):
    """What came isn't an HTTP response."""


class Connection(asyncio.Protocol):
    """`send` and `read` raise OSError (TimeoutError and NotHTTP are kinds of it)."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        """The response's, names in lower case."""
        self.answered = False
        """The first bytes of the response have come."""
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("Any", None)  # asyncio sets it first
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
        self._due = 0.0  # when it is
        self._silence_s = 0.0
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
        """Seconds since its last response was complete."""
        return self._loop.time() - self._heard_at

    async def send(self, request: bytes, silence_s: float, total_s: float) -> None:
        """Write a whole request and wait for the response's headers.

        The first token must come within `silence_s` seconds, the end of the response within `total_s`. Raises OSError.
        """
        self.status, self.headers, self.answered = 0, {}, False
        self._complete = self._headers_complete = False
        self._inflate = self._failure = None
        self._head_bytes = 0
        self._silence_s, self._heard_at = silence_s, self._loop.time()
        self._waits_for, self._total_s, self._ends_at = "the first token", total_s, self._heard_at + total_s
        self._check_within(min(silence_s, total_s))
        self._transport.write(request)
        while not self._headers_complete:
            await self._wait_for_data()

    def stream_began(self, silence_s: float) -> None:
        """The first token has come: from now on a silence of `silence_s` seconds is a time-out."""
        if self._waits_for:
            self._waits_for, self._silence_s, self._heard_at = "", silence_s, self._loop.time()
            self._check_within(silence_s)

    def wait_at_most(self, silence_s: float) -> None:
        """Bound the wait for the next read to `silence_s` seconds, unless the response is complete."""
        if not self._complete:
            self._silence_s, self._heard_at = silence_s, self._loop.time()
            self._check_within(silence_s)

    async def read(self) -> bytes:
        """The body's bytes since the last read; b"" at its end. Raises OSError."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._wait_for_data()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._waiting_bytes = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Abort the connection at once, so that an upstream stops generating."""
        self._end_timer()
        if not self.closed:
            self.closed = True
            self._transport.abort()

    async def _wait_for_data(self) -> None:
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

    def _check_within(self, seconds: float) -> None:
        """Look at the limits so soon at the latest: a timer that is set goes on from response to response."""
        due = self._loop.time() + seconds
        if self._timer is None or due < self._due:
            self._end_timer()
            self._due = due
            self._timer = self._loop.call_later(seconds, self._check_time)

    def _check_time(self) -> None:
        """Fail where a limit has passed, else set the timer again while a response is awaited."""
        self._timer = None
        if self._complete:
            return
        now = self._loop.time()
        left_s = self._heard_at + self._silence_s - now
        if self._ends_at <= now:
            self._fail(TimeoutError(f"no end came within {self._total_s:g} s"))
        elif self._paused or left_s > 0:  # paused: the reader is slow, not the upstream
            self._check_within(min(max(left_s, 0.05), self._ends_at - now))
        else:
            missing = self._waits_for or "nothing"
            came = "didn't come within" if self._waits_for else "came for"
            self._fail(TimeoutError(f"{missing} {came} {self._silence_s:g} s"))

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._complete:  # unasked for: it must not pass for the next response
            self.close()
            return
        if not self._waits_for:
            self._heard_at = self._loop.time()
        self.answered = True
        try:
            try:
                self._parser.feed_data(data)
            finally:  # what came before a parse error counts
                if self._body:
                    self._take(b"".join(self._body))
                    self._body.clear()
        except (httptools.HttpParserError, zlib.error, ValueError) as error:
            self._fail(NotHTTP(f"that isn't HTTP: {error}"))
        if not self._headers_complete:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._fail(NotHTTP(f"its headers have more than {_MAX_HEAD_BYTES} bytes"))
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
        """Queue one read's part of the body. Raises ValueError or zlib.error where it can't be inflated."""
        if self._inflate is not None:
            body = self._inflate.decompress(body, _MAX_INFLATED_BYTES)
            if self._inflate.unconsumed_tail:
                raise ValueError("a compressed piece has more than 16 MiB")
        if body:
            self._pieces.append(body)
            self._waiting_bytes += len(body)
        if self._waiting_bytes > _HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._headers_complete:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()  # afterwards it forgets
        else:
            self.headers = {}
