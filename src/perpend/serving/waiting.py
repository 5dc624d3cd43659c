"""Whether a client that has stopped sending still waits for its answer (decision 0011).

TCP sends the same FIN for a client that only ends its request (`shutdown`) and for one that goes away (`close`).
"""

import math
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

EVERY_S = 5
"""Seconds between two checks."""
_FRESH_S = 0.1
"""Seconds for which a table is reused: with some thousand connections, reading it takes milliseconds."""
_LOCAL, _REMOTE, _INODE = 1, 2, 9
_End = tuple[str, int]


class _Table:
    """Linux's table of this machine's connections: which of their ends a program holds open."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._read_at = -math.inf
        self._held: dict[tuple[str, str], bool] = {}

    def held(self, local: str, remote: str) -> bool | None:
        """Whether a program holds the end `local` open; None for an unknown connection. Raises OSError."""
        now = time.monotonic()
        if now - self._read_at > _FRESH_S:
            rows = [line.split() for line in self._path.read_text().splitlines()[1:]]
            self._held = {(row[_LOCAL], row[_REMOTE]): row[_INODE] != "0" for row in rows}
            self._read_at = now
        return self._held.get((local, remote))


_TABLES = {socket.AF_INET: _Table("/proc/net/tcp"), socket.AF_INET6: _Table("/proc/net/tcp6")}


def set_keep_alive(client: socket.socket) -> None:
    """Turn on TCP keep-alive, every EVERY_S seconds.

    About a minute after a remote program closes the connection, its system answers that there is none.
    """
    with suppress(OSError):  # it has gone, as the next check finds
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
            if hasattr(socket, name):
                client.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), EVERY_S)


def is_waiting(client: socket.socket) -> bool | None:
    """Whether the client still waits for its answer; None where that isn't known, or not yet."""
    if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return False
    with suppress(OSError):
        local, remote = client.getsockname(), client.getpeername()
        if local[0] == remote[0]:
            return _held(client.family, remote, local)
    return None


def _held(family: int, local: _End, remote: _End) -> bool | None:
    """Whether a program on this machine holds the `local` end of the connection open."""
    return _TABLES[socket.AddressFamily(family)].held(_row(family, local), _row(family, remote))


def _row(family: int, address: _End) -> str:
    """An address in the table's notation: 32-bit words in the machine's byte order."""
    packed = socket.inet_pton(family, address[0])
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"
