"""Web addresses, parsed strictly, and whether they are public: an address that a client names must not lead into our
own network (server-side request forgery).

A name may resolve to one address now and to another later, so the IP address that a connection is made to counts
(`resolved`). Where another program will connect, only the name can be checked (`Address.is_private`).
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
PRIVATE_ADDRESS_HINT = "set serve.private_addresses, or name the verifier in perpend.toml"
"""The hint for a private address that is refused."""
_MAX_URL_CHARS = 8192
_MAX_NAME_CHARS = 253
_MAX_PORT_CHARS = 20
_AUTHORITY = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<name>[^\[\]:@]+))(?::(?P<port>[0-9]*))?"
)
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH_CHARS = "/%:@!$&'()*+,;=~-._"
"""Characters that a path keeps; all others are percent-encoded. A query keeps `?` too."""
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
"""The global unicast range (RFC 4291); addresses outside it are local, or stand for IPv4 addresses."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""The well-known prefix (RFC 6052); the last 32 bits are an IPv4 address."""


class NotPublic(PermissionError):
    """The name resolves to an address that isn't public."""


class Address(NamedTuple):
    """A web address as it is sent. The host has no brackets, and no dot at its end."""

    tls: bool
    host: str
    port: int
    authority: str
    target: str
    """Path and query."""

    @property
    def is_private(self) -> bool:
        """Whether the host's name alone shows that it isn't public."""
        try:
            return not is_public(self.host)
        except ValueError:
            return "." not in self.host or f".{self.host}".endswith(_LOCAL_NAMES)


def web_address(url: str) -> Address:
    """Parse `url`. Raises ValueError, saying what is wrong, for one that clients might read in different ways."""
    if len(url) > _MAX_URL_CHARS:
        raise ValueError(f"has more than {_MAX_URL_CHARS} characters")
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
    default_port = 443 if scheme == "https" else 80
    digits = found["port"] or str(default_port)
    port = int(digits) if len(digits) < _MAX_PORT_CHARS else 0
    if not 0 < port < 65_536:
        raise ValueError("has a port that there isn't")
    host = _ipv6(found["six"]) if found["six"] else _hostname(found["name"])
    shown = f"[{host}]" if ":" in host else host
    query = f"?{_percent_encoded(query, _PATH_CHARS + '?')}" if query else ""
    return Address(
        scheme == "https",
        host,
        port,
        shown if port == default_port else f"{shown}:{port}",
        f"{_percent_encoded(path, _PATH_CHARS) or '/'}{query}",
    )


def _percent_encoded(text: str, plain: str) -> str:
    return quote(text.encode(errors="replace"), plain)


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text.replace("%25", "%")))
    except ValueError:
        raise ValueError("has an IPv6 address that is none") from None


def _hostname(text: str) -> str:
    """A name as DNS takes it: IDNA maps full-width letters, ideographic dots and the like to ASCII."""
    if len(text) > _MAX_NAME_CHARS:
        raise ValueError(f"has a host that is no name: of {_MAX_NAME_CHARS} letters at most")
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
    """Whether an IP address is global and unicast. Raises ValueError where it is none."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return False
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address not in _GLOBAL_IPV6:
            return False
        address = inner or address
    return address.is_global and not address.is_multicast


async def resolved(host: str, port: int) -> list[str]:
    """The host's IP addresses, best first. Raises OSError where there are none, and NotPublic where one is private."""
    loop = asyncio.get_running_loop()
    found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(row[4][0]) for row in found]
    if not all(map(is_public, addresses)):
        raise NotPublic(f"{host} isn't at a public address")
    return addresses
