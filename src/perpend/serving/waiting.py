"""Whether anybody still waits behind a connection whose client has ended what it sends (decision 0011).

TCP says the same of one that only ends its request (`shutdown`) and of one that goes away (`close`): a FIN, no more.
"""

import math
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

EVERY_S = 5
"""Seconds between two looks."""
_FRESH_S = 0.1
"""How long a table that was read is used again: with some thousand connections, reading takes milliseconds."""
_LOCAL, _REMOTE, _INODE = 1, 2, 9
_End = tuple[str, int]


class _Table:
    """Linux's table of this machine's connections: which ends of them a program has open."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._read_at = -math.inf
        self._held: dict[tuple[str, str], bool] = {}

    def held(self, local: str, remote: str) -> bool | None:
        """Whether a program has the end `local` open; None: there is none. Raises OSError without a table."""
        now = time.monotonic()
        if now - self._read_at > _FRESH_S:
            rows = [line.split() for line in self._path.read_text().splitlines()[1:]]
            self._held = {(row[_LOCAL], row[_REMOTE]): row[_INODE] != "0" for row in rows}
            self._read_at = now
        return self._held.get((local, remote))


_TABLES = {socket.AF_INET: _Table("/proc/net/tcp"), socket.AF_INET6: _Table("/proc/net/tcp6")}


def set_keep_alive(client: socket.socket) -> None:
    """Have the system ask the other end whether it is there (TCP keep-alive, every EVERY_S seconds).

    A minute or so after its program closed the connection, the other system no longer knows it, and says so.
    """
    with suppress(OSError):  # it has gone by now, which the next look tells
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
            if hasattr(socket, name):
                client.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), EVERY_S)


def is_waiting(client: socket.socket) -> bool | None:
    """Whether the client still waits for its answer; None: it can't be told, or not yet."""
    if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return False
    with suppress(OSError):
        here, there = client.getsockname(), client.getpeername()
        if here[0] == there[0]:
            return _held(client.family, there, here)
    return None


def _held(family: int, local: _End, remote: _End) -> bool | None:
    """Whether a program of this machine has that end of the connection open."""
    return _TABLES[socket.AddressFamily(family)].held(_row(family, local), _row(family, remote))


def _row(family: int, address: _End) -> str:
    """As the table writes it: in 32-bit words of the machine's byte order."""
    packed = socket.inet_pton(family, address[0])
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"
