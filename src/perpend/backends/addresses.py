"""Which addresses are everybody's: what a client names mustn't lead into our own network.

A name may resolve to one address now and to another later, so it's the address that a connection is made to that
counts (`resolved`). Where somebody else will connect, only the name can be looked at (`is_private`).
"""

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from perpend.errors import BadRequest

_LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")
ALLOW = "set serve.private_addresses, or name the verifier in perpend.toml"
"""What to do about an address of one's own network."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_private(url: str) -> bool:
    """By its name, the address is none that everybody can reach."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return True
    if not host or host == "localhost" or host.endswith(_LOCAL_NAMES):
        return True
    try:
        return not is_public(host)
    except ValueError:
        try:
            return not is_public(socket.inet_ntoa(socket.inet_aton(host)))  # 127.1, 0x7f000001, 2130706433
        except OSError:
            return "." not in host  # a name of the local network


def is_public(text: str) -> bool:
    """Whether an IP address is reached from everywhere, and is one machine. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast


async def resolved(host: str, port: int) -> list[str]:
    """The IP addresses to connect to, the best first. Raises OSError, and BadRequest where any isn't public."""
    loop = asyncio.get_running_loop()
    found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(row[4][0]) for row in found]
    if not all(map(is_public, addresses)):
        raise BadRequest(f"{host} isn't at a public address", hint=ALLOW)
    return addresses
