"""What attacks cost the gateway, and how others wait meanwhile.

    python -m benchmarks.attacks --seconds 8

Four attacks, each on a gateway of its own: headers without end and a header value without end on one connection,
which is opened again wherever it is closed; 400 connections that each send half a head; and, with a key, eight clients
at a time whose verifier is a pattern that takes for ever. `/healthz` is asked 20 times a second meanwhile.
"""

import argparse
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from benchmarks import machine
from benchmarks.load import gateways
from benchmarks.load.gateways import Gateway
from perpend.statistics import quantile

HEAD = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
HALF_OPEN = 400
AT_ONCE = 8


class Told(Struct):
    """`sent` in bytes; `opened` connections: `left` still open at the end, `answered` by 200."""

    sent: int = 0
    opened: int = 0
    left: int = 0
    answered: int = 0


def flood(port: int, begin: bytes, again: bytes, seconds: float) -> Told:
    """Write without end."""
    told, until = Told(), time.monotonic() + seconds
    while time.monotonic() < until:
        told.opened += 1
        with (
            socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection,
            contextlib.suppress(OSError),
        ):
            connection.sendall(begin)
            while time.monotonic() < until:
                connection.sendall(again)
                told.sent += len(again)
    return told


def headers(port: int, seconds: float, _key: str) -> Told:
    return flood(port, HEAD, b"x-some-header: some value\r\n" * 2000, seconds)


def value(port: int, seconds: float, _key: str) -> Told:
    return flood(port, HEAD + b"x-value: ", b"v" * 65_536, seconds)


def half_open(port: int, seconds: float, _key: str) -> Told:
    each: list[socket.socket] = []
    for _ in range(HALF_OPEN):
        each.append(socket.create_connection(("127.0.0.1", port)))
        each[-1].sendall(HEAD)
    time.sleep(seconds)
    left = 0
    for connection in each:
        connection.setblocking(False)
        try:
            left += connection.recv(65_536) == b"" and 0
        except BlockingIOError:
            left += 1
        except OSError:
            pass
        connection.close()
    return Told(HALF_OPEN * len(HEAD), HALF_OPEN, left)


def patterns(port: int, seconds: float, key: str) -> Told:
    told, until = Told(), time.monotonic() + seconds
    body = {
        "messages": [{"role": "user", "content": "hi"}],
        "verifier": {"name": "regex", "gold": r"^([\w ,-]+)+=$"},
        "strategy": {"name": "best_of_n", "n": 1},
        "deadline_ms": 3000,
    }

    def ask() -> None:
        while time.monotonic() < until:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {"authorization": f"Bearer {key}"}
            told.opened += 1
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("POST", "/v1/chat/completions", msgspec.json.encode(body), headers)
                answered = connection.getresponse().status == 200
                told.answered += answered

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


class Watching:
    """Asks `/healthz` and reads the gateway's memory until it is stopped."""

    def __init__(self, port: int, gateway: Gateway) -> None:
        self.waits: list[float] = []
        self.most_mib = 0.0
        self._port = port
        self._gateway = gateway
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            self.waits.append(time.perf_counter() - began)
            if self._gateway.running is not None:
                self.most_mib = max(self.most_mib, self._gateway.running.memory_mib())


def attack(name: str, way: Callable[[int, float, str], Told], seconds: float) -> None:
    with (
        TemporaryDirectory() as folder,
        gateways.upstream(None, Path(folder), 0) as model,
        gateways.perpend(model.endpoint.url, None, Path(folder)) as one,
    ):
        port = int(one.endpoint.url.split(":")[2].split("/")[0])
        with Watching(port, one) as seen:
            told = way(port, seconds, one.endpoint.key)
    waits = sorted(seen.waits)
    print(
        f"{name:22} {told.sent / 2**20:8.0f} MiB sent  {told.opened:6} connections, {told.left} left open, "
        f"{told.answered} answered  "
        f"memory {one.idle_mib or 0:.0f} to {seen.most_mib:.0f} MiB  "
        f"/healthz p50 {1e3 * quantile(waits, 0.5):.1f} ms, most {1e3 * waits[-1]:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="of each attack (default 8)")
    options = parser.parse_args()
    print(machine.one_line())
    attack("headers without end", headers, options.seconds)
    attack("a value without end", value, options.seconds)
    attack("400 half heads", half_open, max(12.0, options.seconds))
    attack("exploding patterns", patterns, options.seconds)


main()
