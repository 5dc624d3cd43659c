"""Two processes call each other, and notice when the other is gone."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from perpend.serving.workers.channel import CallHandler, Channel, ChannelError


@contextlib.asynccontextmanager
async def ends(**handlers: CallHandler) -> AsyncGenerator[tuple[Channel, Channel]]:
    """The second has these handlers."""
    one, other = socket.socketpair()
    first, second = await Channel.open(one, {}), await Channel.open(other, dict(handlers))
    try:
        yield first, second
    finally:
        await first.aclose()
        await second.aclose()


async def double(raw: Raw) -> int:
    return 2 * msgspec.msgpack.decode(raw, type=int)


async def test_each_call_gets_its_own_result_whichever_is_ready_first() -> None:
    async def slept(raw: Raw) -> float:
        seconds = msgspec.msgpack.decode(raw, type=float)
        await asyncio.sleep(seconds)
        return seconds

    async with ends(slept=slept) as (caller, _):
        asked = [caller.call("slept", seconds, float) for seconds in (0.05, 0.0, 0.02)]
        assert await asyncio.gather(*asked) == [0.05, 0.0, 0.02]


async def test_either_side_calls_and_a_notification_has_no_result() -> None:
    told = asyncio.Event()

    async def heard(_: Raw) -> None:
        told.set()

    async with ends(heard=heard) as (one, other):
        one.handlers["double"] = double
        one.notify("heard")
        await asyncio.wait_for(told.wait(), 5)
        assert await other.call("double", 21, int) == 42


async def test_a_megabyte_is_one_result() -> None:
    async def much(_: Raw) -> bytes:
        return b"x" * 1_000_000

    async with ends(much=much) as (caller, _):
        assert len(await caller.call("much", None, bytes)) == 1_000_000


async def test_a_handler_that_fails_ends_its_call_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(_: Raw) -> Any:
        raise RuntimeError("a bug")

    async with ends(fails=fails, double=double) as (caller, _):
        with caplog.at_level(logging.ERROR), pytest.raises(ChannelError):
            await caller.call("fails", None, int)
        assert "the call of fails failed" in caplog.text
        assert await caller.call("double", 1, int) == 2


async def test_the_other_sides_end_ends_every_call() -> None:
    async def never(_: Raw) -> None:
        await asyncio.Event().wait()

    async with ends(never=never) as (caller, other):
        asked = asyncio.create_task(caller.call("never", None, int))
        await asyncio.sleep(0.01)
        await other.aclose()
        with pytest.raises(ChannelError):
            await asked
        await asyncio.wait_for(caller.closed(), 5)
        with pytest.raises(ChannelError):
            await caller.call("never", None, int)
        caller.notify("nobody")


async def test_a_caller_that_is_cancelled_cancels_the_handler() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def waits(_: Raw) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with ends(waits=waits, double=double) as (caller, _):
        call = asyncio.create_task(caller.call("waits", None, int))
        await asyncio.wait_for(begun.wait(), 5)
        call.cancel()
        await asyncio.wait_for(cancelled.wait(), 5)
        assert await caller.call("double", 2, int) == 4


async def test_one_that_is_closed_before_it_read_anything_leaves_no_socket() -> None:
    one, other = socket.socketpair()
    with other:
        channel = await Channel.open(one, {})
        await channel.aclose()  # its reader hasn't had a turn
        other.setblocking(False)
        assert other.recv(1) == b"", "the end is closed"
