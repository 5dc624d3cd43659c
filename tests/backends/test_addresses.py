"""Which addresses lead into our own network, however they are written."""

import pytest

from perpend.backends.addresses import is_private, is_public, resolved
from perpend.errors import BadRequest


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


def test_a_name_is_looked_at_where_somebody_else_connects() -> None:
    assert is_private("http://router/")
    assert not is_private("https://example.com/")


async def test_a_name_with_any_address_of_our_own_is_refused() -> None:
    with pytest.raises(BadRequest, match="localhost isn't at a public address"):
        await resolved("localhost", 80)


async def test_an_address_resolves_to_itself() -> None:
    assert await resolved("8.8.8.8", 53) == ["8.8.8.8"]
