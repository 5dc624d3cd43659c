"""Listening: which addresses can be had, and what is said when one can't."""

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
