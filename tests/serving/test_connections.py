"""What a connection may take before anybody looks at a key: its head's bytes, lines and seconds, and its waiting."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
from scripted import USUAL, Gateway, House, gateway

from perpend.serving import connections, server
from perpend.serving.connections import HEAD_BYTES, HEADERS, IdleConnections

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"


@asynccontextmanager
async def connected(front: Gateway) -> AsyncGenerator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answered(wire: Wire, *pieces: bytes) -> tuple[int, Any]:
    """The status and the body of what comes back."""
    reader, writer = wire
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split()[1]), msgspec.json.decode(await reader.readexactly(length))


async def closed(wire: Wire) -> bool:
    async with asyncio.timeout(5):
        return await wire[0].read() == b""


async def flooded(wire: Wire, begin: bytes, again: bytes) -> tuple[int, Any, int]:
    """What comes back to somebody who goes on writing, and how much was taken before."""
    _, writer = wire
    writer.write(begin)
    sent = 0
    reply = asyncio.ensure_future(answered(wire))
    while not reply.done() and sent < 100 * HEAD_BYTES:
        writer.write(again)
        sent += len(again)
        await asyncio.sleep(0)
        if sent % HEAD_BYTES < len(again):
            await asyncio.sleep(0.001)
    return *await reply, sent


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"GET /" + b"a" * 100, b"a" * 4096),
        (HEAD, b"x-many: y\r\n" * 100),
        (HEAD + b"x-name-", b"n" * 4096),
        (HEAD + b"x-value: ", b"v" * 4096),
        (HEAD + b"x-folded: v\r\n", b" " * 4096),
    ],
    ids=["path", "headers", "name", "value", "blank"],
)
async def test_a_head_without_end_is_refused(begin: bytes, again: bytes) -> None:
    async with gateway(House()) as front, connected(front) as wire:
        status, body, sent = await flooded(wire, begin, again)
        assert (status, body["error"]["code"]) in ((431, "head_too_large"), (400, "invalid_request_error"))
        assert sent < 100 * HEAD_BYTES
        assert (await front.get("/healthz")).status == 200


async def test_trailers_without_end_are_refused_too() -> None:
    async with gateway(House()) as front, connected(front) as wire:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        wire[1].write(head + b"2\r\n{}\r\n0\r\nx-trailer: ")
        async with asyncio.timeout(5):
            while not wire[0].at_eof():
                wire[1].write(b"t" * 16_384)
                with suppress(TimeoutError):
                    await asyncio.wait_for(wire[0].read(65_536), 0.01)


@pytest.mark.parametrize("count", [HEADERS - 1, HEADERS])
async def test_so_many_headers_are_taken_and_no_more(count: int) -> None:
    async with gateway(House()) as front, connected(front) as wire:
        status, body = await answered(wire, HEAD + b"a: b\r\n" * count + b"\r\n")
        assert status == (200 if count < HEADERS else 431)
        if status == 431:
            assert body["error"]["hint"] == "send fewer or shorter headers"
            assert await closed(wire)


@pytest.mark.parametrize("size", [HEAD_BYTES - 100, HEAD_BYTES + 100])
async def test_a_large_head_is_taken_up_to_its_bound_and_a_large_body_isnt_its_part(size: int) -> None:
    house = House()
    async with gateway(house) as front, connected(front) as wire:
        sent = msgspec.json.encode({"messages": [{"role": "user", "content": "x" * 300_000}]})
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n" % len(sent)
        filler = b"a: " + b"v" * (size - len(head)) + b"\r\n\r\n"
        status, _ = await answered(wire, head + filler + sent)
        assert status == (200 if size < HEAD_BYTES else 431)
        assert len(house.requests) == (size < HEAD_BYTES)


async def test_a_head_has_to_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.05)
    async with gateway(House()) as front, connected(front) as half, connected(front) as whole:
        assert (await answered(whole, HEAD + b"\r\n"))[0] == 200
        status, body = await answered(half, HEAD)
        assert (status, body["error"]["code"]) == (408, "head_timeout")
        assert await closed(half)
        await asyncio.sleep(0.1)
        assert (await answered(whole, HEAD + b"\r\n"))[0] == 200  # who only waits isn't late


async def test_a_head_that_comes_in_pieces_is_taken() -> None:
    async with gateway(House()) as front, connected(front) as wire:
        assert (await answered(wire, *[bytes([byte]) for byte in HEAD + b"\r\n"]))[0] == 200


async def test_what_isnt_http_is_told_so() -> None:
    async with gateway(House()) as front, connected(front) as wire:
        status, body = await answered(wire, b"\x16\x03\x01 hello\r\n\r\n")
        assert (status, body["error"]["message"]) == (400, "the request isn't HTTP")


async def test_requests_one_after_the_other_on_one_connection() -> None:
    async with gateway(House()) as front, connected(front) as wire:
        for _ in range(3):
            assert (await answered(wire, HEAD + b"\r\n"))[0] == 200
        wire[1].write((HEAD + b"\r\n") * 2)
        assert [(await answered(wire))[0] for _ in range(2)] == [200, 200]


async def test_the_next_request_waits_for_the_answer_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a head behind a request that takes longer than heads may doesn't cut that one's answer."""
    monkeypatch.setattr(connections, "HEAD_S", 0.02)
    async with gateway(House(0.2, *USUAL)) as front, connected(front) as wire:
        sent = msgspec.json.encode({"messages": [{"role": "user", "content": "x"}]})
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(
            sent
        )
        assert (await answered(wire, head + sent + HEAD))[0] == 200
        assert (await answered(wire))[0] == 408


class Waiting:
    """Has what `Idle` needs of a connection."""

    def __init__(self, idle: IdleConnections, address: str) -> None:
        self.address = address
        self.open = True
        self._idle: Any = idle

    def close(self) -> None:
        self.open = False
        self._idle.discard(self)


def still_open(addresses: str, most: int, most_of_address: int) -> str:
    idle: Any = IdleConnections(most, most_of_address)
    each = [Waiting(idle, address) for address in addresses]
    for one in each:
        idle.add(one)
    return "".join(one.address if one.open else "." for one in each)


def test_who_waits_longest_makes_room() -> None:
    assert still_open("aabca", 9, 2) == ".abca"
    assert still_open("aabcd", 3, 2) == "..bcd"
    assert still_open("aaaaa", 3, 2) == "...aa"
    assert still_open("abcd", 9, 2) == "abcd"


async def test_connections_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE", 8)
    async with gateway(House()) as front:
        wires = [await asyncio.open_connection("127.0.0.1", front.port) for _ in range(8)]
        await asyncio.gather(*(reader.read() for reader, _ in wires[:4]))
        assert not any(reader.at_eof() for reader, _ in wires[4:])
        assert (await answered(wires[-1], HEAD + b"\r\n"))[0] == 200
        for _, writer in wires:
            writer.close()
