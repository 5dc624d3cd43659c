"""Questions and answers between two processes, over a socket that nobody else has: either side asks."""

import asyncio
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Raw, Struct

T = TypeVar("T")

_SIZE_BYTES = 4
"""Before each frame: its size, the most significant byte first."""
_ANSWER, _NO_ANSWER = "", "-"
"""Subjects of what comes back; no question has these."""

_log = logging.getLogger(__name__)
_encode = msgspec.msgpack.encode


class Unanswered(Exception):
    """The other side is gone, or couldn't answer; its log says why."""


class _Frame(Struct, frozen=True, array_like=True):
    number: int
    """Of the question; 0: nobody waits for an answer."""
    subject: str
    body: Raw


Answerer = Callable[[Raw], Awaitable[Any]]
"""Gets a question's body, gives the answer's."""
_frame = msgspec.msgpack.Decoder(_Frame)


class Channel:
    """One end."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: dict[str, Answerer]
    ) -> None:
        self.answers = answers
        """By the subjects that the other side may ask about."""
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Raw]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, end: socket.socket, answers: dict[str, Answerer]) -> Self:
        """`end`: of a `socket.socketpair()`; the channel closes it."""
        return cls(*await asyncio.open_unix_connection(sock=end), answers)

    async def ask(self, subject: str, body: Any, type_: type[T]) -> T:
        """The other side's answer. Raises Unanswered."""
        if self._reading.done():
            raise Unanswered
        number = next(self._numbers)
        waiter = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(number, subject, body)
            return msgspec.msgpack.decode(await waiter, type=type_)
        finally:
            del self._asked[number]

    def tell(self, subject: str, body: Any = None) -> None:
        """Something that needs no answer; nothing where the other side is gone."""
        if not self._reading.done():
            self._send(0, subject, body)

    async def closed(self) -> None:
        """Returns once the other side is gone."""
        await asyncio.wait([self._reading])

    async def aclose(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])

    def _send(self, number: int, subject: str, body: Any) -> None:
        frame = _encode(_Frame(number, subject, Raw(_encode(body))))
        self._writer.write(len(frame).to_bytes(_SIZE_BYTES, "big") + frame)

    async def _read(self) -> None:
        try:
            while True:
                size = await self._reader.readexactly(_SIZE_BYTES)
                frame = _frame.decode(await self._reader.readexactly(int.from_bytes(size, "big")))
                self._receive(frame)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            for waiter in self._asked.values():
                if not waiter.done():
                    waiter.set_exception(Unanswered())
            for task in self._answering:
                task.cancel()
            self._writer.close()

    def _receive(self, frame: _Frame) -> None:
        if frame.subject in (_ANSWER, _NO_ANSWER):
            waiter = self._asked.get(frame.number)
            if waiter is None or waiter.done():
                return
            if frame.subject == _ANSWER:
                waiter.set_result(Raw(bytes(frame.body)))
            else:
                waiter.set_exception(Unanswered())
            return
        task = asyncio.create_task(self._answer(frame))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, frame: _Frame) -> None:
        subject = _ANSWER
        try:
            body = await self.answers[frame.subject](frame.body)
        except Unanswered:
            subject, body = _NO_ANSWER, None
        except Exception:
            _log.exception("a question about %s wasn't answered", frame.subject)
            subject, body = _NO_ANSWER, None
        if frame.number and not self._reading.done():
            self._send(frame.number, subject, body)
