"""A client that ends what it sends still gets its answer; one that goes away still ends the work for it."""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted import BODY, STARTED, Gateway, House, answer, gateway, until

from perpend.serving import waiting
from perpend.types import Finished, ThinkingDelta

BODIES = [BODY, {**BODY, "stream": True}]


def not_in_the_table(family: int, local: tuple[str, int], remote: tuple[str, int]) -> None: ...


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def request(body: Any) -> bytes:
    data = msgspec.json.encode(body)
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (
        len(data),
        data,
    )


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def of(cls, front: Gateway) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", front.port))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def end(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()

    def forgotten_soon(self) -> None:
        """By its system, once it is closed: for a minute and more else."""
        self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)

    async def rest(self) -> bytes:
        """All that comes, up to the end of the connection."""
        async with asyncio.timeout(20):
            said = await self._reader.read()
        self._writer.close()
        return said


@pytest.fixture(params=["told", "not told"])
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of other machines aren't in this one's tables."""
    if request.param == "told" and sys.platform != "linux":
        pytest.skip("reads /proc")
    if request.param == "not told":
        monkeypatch.setattr(waiting, "_held", not_in_the_table)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("lasts_s", [0.0, 0.4])
@pytest.mark.parametrize("body", BODIES)
async def test_the_end_of_a_request_is_not_the_end_of_its_client(body: Any, lasts_s: float) -> None:
    async with gateway(House([STARTED], lasts_s, [ThinkingDelta("hm")], [Finished(answer())])) as front:
        client = await Client.of(front)
        client.send(request(body))
        client.end()
        said = await client.rest()
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in said
        assert said.endswith(b"}" if body is BODY else b"data: [DONE]\n\n\r\n0\r\n\r\n")


@pytest.mark.usefixtures("elsewhere")
async def test_requests_in_a_row_are_all_answered() -> None:
    async with gateway(House([STARTED], 0.1, [Finished(answer())])) as front:
        client = await Client.of(front)
        client.send(request(BODY) * 3)
        client.end()
        said = await client.rest()
        assert said.count(b"HTTP/1.1 200 OK") == 3
        assert said.count(b"connection: close") == 1


async def test_half_a_request_is_none() -> None:
    async with gateway(House()) as front:
        client = await Client.of(front)
        client.send(request(BODY)[:-5])
        client.end()
        assert await client.rest() == b""
        assert not front.house.requests


@LINUX
@pytest.mark.parametrize("body", BODIES)
async def test_of_this_machine_it_is_known_which_it_was_at_any_time(body: Any) -> None:
    house = House([STARTED], 1.5, [Finished(answer())])
    async with gateway(house) as front:
        one, other = await Client.of(front), await Client.of(front)
        one.send(request(body))
        other.send(request(body))
        await asyncio.sleep(0.4)
        one.end()
        other.close()
        await asyncio.wait_for(house.cancelled.wait(), 0.6)
        assert b"HTTP/1.1 200 OK" in await one.rest()


@pytest.mark.parametrize("body", BODIES)
async def test_of_another_machine_who_ends_it_late_has_gone(
    body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_held", not_in_the_table)
    house = House([STARTED], 60.0, [Finished(answer())])
    async with gateway(house) as front:
        client = await Client.of(front)
        client.send(request(body))
        await until(lambda: house.requests)
        await asyncio.sleep(0.3)
        client.close()
        await asyncio.wait_for(house.cancelled.wait(), 2)


@LINUX
async def test_who_has_gone_at_once_is_noticed_by_what_its_system_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "_held", not_in_the_table)
    monkeypatch.setattr(waiting, "EVERY_S", 1)
    house = House([STARTED], 60.0, [Finished(answer())])
    async with gateway(house) as front:
        client = await Client.of(front)
        client.forgotten_soon()
        client.send(request(BODY))
        client.close()
        await asyncio.wait_for(house.cancelled.wait(), 20)


@LINUX
@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.3.2.1"), (socket.AF_INET6, "::1")],
)
def test_what_the_table_says(
    family: socket.AddressFamily, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_FRESH_S", -1.0)
    with socket.create_server((address, 0), family=family) as listener:
        client = socket.create_connection(listener.getsockname()[:2], source_address=(address, 0))
        server, _ = listener.accept()
        with server:
            assert waiting.is_waiting(server) is True
            client.shutdown(socket.SHUT_WR)
            assert waiting.is_waiting(server) is True
            client.close()
            assert waiting.is_waiting(server) is False


@LINUX
async def test_many_that_go_at_once_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    usual = Path.read_text

    def read_text(path: Path) -> str:
        reads.append(path)
        return usual(path)

    monkeypatch.setattr(Path, "read_text", read_text)
    async with gateway(House([STARTED], 60.0, [Finished(answer())])) as front:
        clients = [await Client.of(front) for _ in range(100)]
        for client in clients:
            client.send(request(BODY))
        await until(lambda: front.metrics.in_flight == 100)
        for client in clients:
            client.close()
        await until(lambda: not front.metrics.in_flight)
        assert 1 <= len(reads) <= 10
