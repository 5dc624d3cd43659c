"""Listening: which addresses can be had, and what is said when one can't."""

import asyncio
import socket

import pytest

from perpend.errors import ConfigError
from perpend.serving.server import bind


def test_port_0_lets_the_system_choose() -> None:
    with bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as other:
        assert one.getsockname()[1] != other.getsockname()[1]


def test_a_name_is_resolved() -> None:
    with bind("localhost", 0) as listener:
        assert listener.family in (socket.AF_INET, socket.AF_INET6)


def test_an_address_in_use_is_explained() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(ConfigError) as caught:
        bind("127.0.0.1", taken.getsockname()[1])
    assert "in use" in caught.value.message
    assert caught.value.hint
    assert "--port" in caught.value.hint


def test_an_address_of_another_machine_is_explained() -> None:
    with pytest.raises(ConfigError, match=r"can't listen on 203\.0\.113\.1"):
        bind("203.0.113.1", 0)


async def test_small_writes_to_a_client_are_sent_at_once_on_any_event_loop() -> None:
    """With Nagle's algorithm on, the end of an answer waits for the client's delayed acknowledgement: 40 ms."""
    loop = asyncio.get_running_loop()
    at_once: asyncio.Future[int] = loop.create_future()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connection = transport.get_extra_info("socket")
            at_once.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    with bind("127.0.0.1", 0) as listener:
        async with await loop.create_server(Protocol, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            assert await at_once
            writer.close()
