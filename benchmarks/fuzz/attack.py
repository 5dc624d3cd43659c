"""Cases over sockets, many in flight: how each was answered, and what of it is a finding."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import httptools

from .cases import Case

TOLD = frozenset(
    (
        b"upstream_error",
        b"upstream_timeout",
        b"upstream_malformed",
        b"upstream_overloaded",
        b"upstream_auth",
        b"verifier_failed",
        b"deadline_exceeded",
        b"sandbox_unavailable",
    )
)
"""Codes of failures that are somebody else's, and told as such: with them an answer may be a 5xx."""
HALF_S = 0.5
"""After which a connection whose case isn't HTTP is closed for writing: the gateway may still wait for more."""
_CODE = re.compile(rb'"(?:code|error_code|type)":\s?"(\w+)"')
_BUG = b"something went wrong inside Perpend"
_ID = re.compile(rb'"id":"((?:resp|conv)_\w+)"')
_NAMES = {b"resp": b"@response@", b"conv": b"@conversation@"}
CLOSED = 0
"""In the place of a status: no answer, and the connection closed."""


class Answer(NamedTuple):
    status: int
    body: bytes
    seconds: float

    @property
    def wrong(self) -> str | None:
        """What of it is a finding, whatever was asked."""
        if _BUG in self.body:
            return f"{self.status}: a bug told in the answer"
        if self.status >= 500 and not TOLD.intersection(_CODE.findall(self.body)):
            codes = b", ".join(_CODE.findall(self.body)[:2]).decode()
            return f"{self.status} {codes}"
        return None


class Finding(NamedTuple):
    what: str
    case: Case


class Hung(Exception):
    """No answer came in time."""


class Line(asyncio.Protocol):
    """One connection, with one case under way."""

    def __init__(self) -> None:
        self.usable = False
        self._answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._answer(CLOSED)

    async def ask(self, case: Case, request: bytes, patience_s: float) -> Answer:
        """Raises Hung."""
        loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpResponseParser(self)
        self._head_only, self._body = case.head_only, bytearray()
        self._answered, self._began = loop.create_future(), loop.time()
        self.transport.write(request)
        ending = None if case.whole else loop.call_later(HALF_S, self._half_close)
        try:
            async with asyncio.timeout(patience_s):
                return await self._answered
        except TimeoutError:
            self.close()
            raise Hung from None
        finally:
            if ending is not None:
                ending.cancel()
            if not case.whole or case.head_only:
                self.close()

    def close(self) -> None:
        self.usable = False
        self.transport.abort()

    def _half_close(self) -> None:
        if not self.transport.is_closing():
            self.transport.write_eof()

    def _answer(self, status: int) -> None:
        if not self._answered.done():
            seconds = asyncio.get_running_loop().time() - self._began
            self._answered.set_result(Answer(status, bytes(self._body), seconds))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._answer(CLOSED)

    def on_headers_complete(self) -> None:
        if self._head_only and self._parser.get_status_code() >= 200:
            self._answer(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._answer(status)


class Attack:
    """What became of the cases so far."""

    def __init__(self, port: int, *, patience_s: float) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.findings: list[Finding] = []
        self.done = 0
        self.slowest: tuple[float, Case | None] = (0.0, None)
        self._port = port
        self._patience_s = patience_s
        self._ids = dict.fromkeys(_NAMES.values(), b"none")

    async def run(self, cases: Iterable[Case], at_once: int, told: Callable[[], None] = lambda: None) -> None:
        """`told` is called after each."""
        left = iter(cases)

        async def go_on() -> None:
            line: Line | None = None
            for case in left:
                line = await self._one(case, line)
                told()
            if line is not None:
                line.close()

        await asyncio.gather(*[go_on() for _ in range(at_once)])
        await asyncio.sleep(0)  # until the last connections are closed

    async def answer(self, case: Case, line: Line | None = None) -> tuple[Answer, Line]:
        """And the connection that it came on. Raises Hung, OSError."""
        if line is None or not line.usable or not case.whole:
            if line is not None:
                line.close()
            loop = asyncio.get_running_loop()
            _, line = await loop.create_connection(Line, "127.0.0.1", self._port)
        return await line.ask(case, self.filled(case.request), self._patience_s), line

    def filled(self, request: bytes) -> bytes:
        """With ids that the gateway gave, and the length that its body has then."""
        if b"@" not in request or not any(name in request for name in self._ids):
            return request
        head, empty, body = request.partition(b"\r\n\r\n")
        for name, id_ in self._ids.items():
            head, body = head.replace(name, id_), body.replace(name, id_)
        return re.sub(rb"(?m)^content-length: \d+", b"content-length: %d" % len(body), head) + empty + body

    async def _one(self, case: Case, line: Line | None) -> Line | None:
        try:
            answer, line = await self.answer(case, line)
            if answer.status == CLOSED and case.whole:  # a server may close an idle connection as we write
                answer, line = await self.answer(case)
        except Hung:
            self._find(f"no answer within {self._patience_s:g} s", case)
            return None
        except OSError as error:
            self._find(f"no connection: {error}", case)
            return None
        self.done += 1
        self.statuses[case.kind, answer.status] += 1
        self.slowest = max(self.slowest, (answer.seconds, case), key=lambda one: one[0])
        if answer.status == 200 and (named := _ID.search(answer.body)):
            self._ids[_NAMES[named[1][:4]]] = named[1]
        unanswered = "closed without an answer" if answer.status == CLOSED and case.whole else None
        if what := answer.wrong or unanswered:
            self._find(what, case)
        return line

    def _find(self, what: str, case: Case) -> None:
        self.findings.append(Finding(what, case))
