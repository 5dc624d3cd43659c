"""Calls between two processes, in both directions over one socket pair."""

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Raw, Struct

T = TypeVar("T")

_SIZE_BYTES = 4
"""Bytes before each frame with its size, big-endian."""
_REPLY, _FAILURE, _CANCEL = "", "-", "!"
"""Sent in place of a method's name: a call's result, its failure, its cancellation."""

_log = logging.getLogger(__name__)
_encode = msgspec.msgpack.encode


class ChannelError(Exception):
    """The other process is gone, or its handler failed, as its log explains."""


class _Frame(Struct, frozen=True, array_like=True):
    number: int
    """The call's number; negative for a notification."""
    method: str
    body: Raw


CallHandler = Callable[[Raw], Awaitable[Any]]
"""Takes a call's encoded argument and returns its result."""
_frame = msgspec.msgpack.Decoder(_Frame)


class Channel:
    """One end of a channel, which reads until the other process is gone."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: dict[str, CallHandler]
    ) -> None:
        self.handlers = handlers
        """By the methods that the other process may call."""
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[Raw]] = {}
        self._handling: dict[int, asyncio.Task[None]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, end: socket.socket, handlers: dict[str, CallHandler]) -> Self:
        """Opens a channel on an end of a `socket.socketpair()`, which the channel closes. Raises OSError."""
        return cls(*await asyncio.open_unix_connection(sock=end), handlers)

    async def call(self, method: str, argument: Any, result: type[T]) -> T:
        """Calls the other process; if the caller is cancelled, so is the handler. Raises ChannelError."""
        if self._reading.done():
            raise ChannelError
        number = next(self._numbers)
        waiter = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(number, method, argument)
            return msgspec.msgpack.decode(await waiter, type=result)
        except asyncio.CancelledError:
            self._send(number, _CANCEL, None)
            raise
        finally:
            del self._calls[number]

    def notify(self, method: str, argument: Any = None) -> None:
        """Calls the other process without a result; does nothing where it is gone."""
        self._send(-next(self._numbers), method, argument)

    async def closed(self) -> None:
        """Returns once the other process is gone."""
        await asyncio.wait([self._reading])

    async def aclose(self) -> None:
        """Closes this end; calls under way raise ChannelError."""
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self._writer.close()  # a reader cancelled before it started hasn't closed it
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _send(self, number: int, method: str, body: Any) -> None:
        if self._reading.done():
            return
        frame = _encode(_Frame(number, method, Raw(_encode(body))))
        self._writer.write(len(frame).to_bytes(_SIZE_BYTES, "big") + frame)

    async def _read(self) -> None:
        try:
            while True:
                size = await self._reader.readexactly(_SIZE_BYTES)
                self._receive(_frame.decode(await self._reader.readexactly(int.from_bytes(size, "big"))))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            for waiter in self._calls.values():
                if not waiter.done():
                    waiter.set_exception(ChannelError())
            for task in self._handling.values():
                task.cancel()
            self._writer.close()

    def _receive(self, frame: _Frame) -> None:
        number = frame.number
        if frame.method == _CANCEL:
            if (handling := self._handling.get(number)) is not None:
                handling.cancel()
        elif frame.method not in (_REPLY, _FAILURE):
            self._handling[number] = task = asyncio.create_task(self._handle(frame))
            task.add_done_callback(lambda _: self._handling.pop(number))
        elif (waiter := self._calls.get(number)) is None or waiter.done():
            return  # the caller was cancelled
        elif frame.method == _REPLY:
            waiter.set_result(frame.body.copy())
        else:
            waiter.set_exception(ChannelError())

    async def _handle(self, frame: _Frame) -> None:
        method, result = _FAILURE, None
        try:
            result = await self.handlers[frame.method](frame.body)
            method = _REPLY
        except ChannelError:
            pass  # from another channel that the handler used
        except Exception:
            _log.exception("the call of %s failed", frame.method)
        if frame.number > 0:
            self._send(frame.number, method, result)
