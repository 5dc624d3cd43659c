"""Notices that a client has gone, and cancels the work that was being done for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from perpend.serving.asgi import Receive

LISTEN_AFTER_S = 0.2
"""Seconds before a request is watched: quicker answers don't pay for it."""
IDLE_S = 10.0


class DisconnectWatch:
    """Cancels the task that made it when its client goes away; `gone` tells that from other cancels."""

    __slots__ = ("_listener", "_on_idle", "_receive", "_task", "_timer", "gone")

    def __init__(self, receive: Receive, on_idle: Callable[[], Awaitable[bool]]) -> None:
        """`on_idle` is called every IDLE_S seconds while the client stays; False from it: it is gone too."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._receive = receive
        self._on_idle = on_idle
        self._listener: asyncio.Task[None] | None = None
        self._timer = loop.call_later(LISTEN_AFTER_S, self._start)
        self.gone = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def _start(self) -> None:
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while await self._stays():
            pass
        self.gone = True
        self._task.cancel()

    async def _stays(self) -> bool:
        try:
            async with asyncio.timeout(IDLE_S):
                message = await self._receive()
        except TimeoutError:
            return await self._on_idle()
        return message["type"] != "http.disconnect"
