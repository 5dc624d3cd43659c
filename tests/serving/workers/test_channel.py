"""Two ends of a socket ask each other, and notice when the other is gone."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from perpend.serving.workers.channel import Answerer, Channel, Unanswered


@contextlib.asynccontextmanager
async def ends(**answers: Answerer) -> AsyncGenerator[tuple[Channel, Channel]]:
    """The second has these answers."""
    one, other = socket.socketpair()
    first, second = await Channel.open(one, {}), await Channel.open(other, dict(answers))
    try:
        yield first, second
    finally:
        await first.aclose()
        await second.aclose()


async def double(raw: Raw) -> int:
    return 2 * msgspec.msgpack.decode(raw, type=int)


async def test_each_question_gets_its_own_answer_whichever_is_ready_first() -> None:
    async def slept(raw: Raw) -> float:
        seconds = msgspec.msgpack.decode(raw, type=float)
        await asyncio.sleep(seconds)
        return seconds

    async with ends(slept=slept) as (asker, _):
        asked = [asker.ask("slept", seconds, float) for seconds in (0.05, 0.0, 0.02)]
        assert await asyncio.gather(*asked) == [0.05, 0.0, 0.02]


async def test_either_side_asks_and_what_is_told_has_no_answer() -> None:
    told = asyncio.Event()

    async def heard(_: Raw) -> None:
        told.set()

    async with ends(heard=heard) as (one, other):
        one.answers["double"] = double
        one.tell("heard")
        await asyncio.wait_for(told.wait(), 5)
        assert await other.ask("double", 21, int) == 42


async def test_a_megabyte_is_one_answer() -> None:
    async def much(_: Raw) -> bytes:
        return b"x" * 1_000_000

    async with ends(much=much) as (asker, _):
        assert len(await asker.ask("much", None, bytes)) == 1_000_000


async def test_who_cant_answer_says_so_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(_: Raw) -> Any:
        raise RuntimeError("a bug")

    async with ends(fails=fails, double=double) as (asker, _):
        with caplog.at_level(logging.ERROR), pytest.raises(Unanswered):
            await asker.ask("fails", None, int)
        assert "a question about fails" in caplog.text
        assert await asker.ask("double", 1, int) == 2


async def test_the_other_sides_end_ends_every_question() -> None:
    async def never(_: Raw) -> None:
        await asyncio.Event().wait()

    async with ends(never=never) as (asker, other):
        asked = asyncio.create_task(asker.ask("never", None, int))
        await asyncio.sleep(0.01)
        await other.aclose()
        with pytest.raises(Unanswered):
            await asked
        await asyncio.wait_for(asker.closed(), 5)
        with pytest.raises(Unanswered):
            await asker.ask("never", None, int)
        asker.tell("nobody")
