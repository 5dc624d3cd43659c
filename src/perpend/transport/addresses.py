"""Web addresses, read as strictly as the strictest client would; and which of them are everybody's: what a client
names mustn't lead into our own network.

A name may resolve to one address now and to another later, so it's the address that a connection is made to that
counts (`resolved`). Where somebody else will connect, only the name can be looked at (`Address.is_private`).
"""

import asyncio
import ipaddress
import re
import socket
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

_LOCAL_NAMES = (
    ".localhost",
    ".localdomain",
    ".local",
    ".internal",
    ".intranet",
    ".lan",
    ".home.arpa",
    ".svc",
)
ALLOW = "set serve.private_addresses, or name the verifier in perpend.toml"
"""What to do about an address of one's own network."""
_LONGEST = 8192
_LONGEST_NAME = 253
_LONGEST_PORT = 20
_AUTHORITY = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<name>[^\[\]:@]+))(?::(?P<port>[0-9]*))?"
)
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = "/%:@!$&'()*+,;=~-._"
"""What stands in a path as it is; all else is sent as bytes in percents. A query may have `?` too."""
_SIX = ipaddress.ip_network("2000::/3")
"""All that is given to anybody in IPv6: whatever is outside it is somebody's own, or means an address of IPv4."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class NotPublic(PermissionError):
    """The name leads into our own network."""


class Address(NamedTuple):
    """A web address in the letters that are sent. The host has no brackets, and no dot at its end."""

    tls: bool
    host: str
    port: int
    authority: str
    target: str
    """Path and query."""

    @property
    def is_private(self) -> bool:
        """By its name, the address is none that everybody can reach."""
        try:
            return not is_public(self.host)
        except ValueError:
            return "." not in self.host or f".{self.host}".endswith(_LOCAL_NAMES)


def web_address(url: str) -> Address:
    """Raises ValueError, which says what is wrong, for what not every client would read in the same way."""
    if len(url) > _LONGEST:
        raise ValueError(f"has more than {_LONGEST} characters")
    try:
        scheme, authority, path, query, _ = urlsplit(url)
    except ValueError:  # a bracket that isn't closed, a letter that stands for a slash
        raise ValueError("has no host that can be read") from None
    if scheme not in ("http", "https"):
        raise ValueError("doesn't begin with http:// or https://")
    if "@" in authority:
        raise ValueError("can't carry a user's name")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise ValueError("has no host that can be read")
    usual = 443 if scheme == "https" else 80
    said = found["port"] or str(usual)
    port = int(said) if len(said) < _LONGEST_PORT else 0
    if not 0 < port < 65_536:
        raise ValueError("has a port that there isn't")
    host = _six(found["six"]) if found["six"] else _name(found["name"])
    shown = f"[{host}]" if ":" in host else host
    asked = f"?{_sent(query, _PATH + '?')}" if query else ""
    return Address(
        scheme == "https",
        host,
        port,
        shown if port == usual else f"{shown}:{port}",
        f"{_sent(path, _PATH) or '/'}{asked}",
    )


def _sent(text: str, plain: str) -> str:
    return quote(text.encode(errors="replace"), plain)


def _six(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text.replace("%25", "%")))
    except ValueError:
        raise ValueError("has an IPv6 address that is none") from None


def _name(text: str) -> str:
    """A name as it's looked up: full-width letters, ideographic dots and the like stand for what they look like."""
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"has a host that is no name: of {_LONGEST_NAME} letters at most")
    try:
        name = text.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError("has a host that is no name: of parts of 1 to 63 letters")
    if not _NUMBER.fullmatch(name.rpartition(".")[2]):
        return name
    try:
        return socket.inet_ntoa(socket.inet_aton(name))  # 127.1, 0x7f000001, 2130706433
    except OSError:
        raise ValueError("has an IP address that is none") from None


def is_public(text: str) -> bool:
    """Whether an IP address is reached from everywhere, and is one machine. Raises ValueError."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return False
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address not in _SIX:
            return False
        address = inner or address
    return address.is_global and not address.is_multicast


async def resolved(host: str, port: int) -> list[str]:
    """The IP addresses to connect to, the best first. Raises OSError, which is NotPublic where any isn't public."""
    loop = asyncio.get_running_loop()
    found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(row[4][0]) for row in found]
    if not all(map(is_public, addresses)):
        raise NotPublic(f"{host} isn't at a public address")
    return addresses
