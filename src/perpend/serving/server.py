"""Runs the application on uvicorn; the first signal stops new connections and waits for current requests."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar, cast

import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from perpend.errors import ConfigError
from perpend.serving.app import App
from perpend.serving.connections import IdleConnections, ServerConnection

T = TypeVar("T")

BACKLOG = 4096
GRACE_S = 30
"""Seconds that current requests have to finish once the server stops."""
GC_THRESHOLD = 10_000
"""New objects before the garbage collector looks at its young generation."""
IDLE = 1024
"""Idle connections at most; half as many from one address."""
KEEP_ALIVE_S = 75
"""Seconds before an idle connection is closed: longer than usual clients and proxies keep one."""


class Server(uvicorn.Server):
    """Leaves signals to `serve`, so that the process cleans up and exits with status 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    def stop(self) -> None:
        """Stop accepting connections; a second call also stops waiting for current requests."""
        self.force_exit = self.should_exit
        self.should_exit = True

    def finish(self) -> None:
        """Stop taking connections, and wait for the requests under way however often it is called."""
        self.should_exit = True


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; port 0 lets the system choose, `shared` lets others listen there too.

    Raises ConfigError where the address can't be bound.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=shared)
    except OSError as error:
        message = f"can't listen on {host} port {port}: {os.strerror(error.errno) if error.errno else error}"
        raise ConfigError(message, hint="choose another with --host, --port or [serve]") from error
    # Its connections inherit this; asyncio's own loop sets it only where the socket names its protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def bind_each(host: str, port: int, count: int) -> list[socket.socket]:
    """A listener for each of several processes. On Linux they are sockets of their own, over which the system spreads
    connections evenly; elsewhere they are the same. Raises ConfigError.
    """
    first = bind(host, port)
    if sys.platform != "linux":
        return [first] * count
    port = first.getsockname()[1]
    first.close()  # it has shown that nobody else listens there, whom sharing the address would join
    return [bind(host, port, shared=True) for _ in range(count)]


def url_of(host: str, port: int) -> str:
    """The URL at which this machine reaches a server that listens on `host`."""
    address = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104 -- compared
    return f"http://{address}:{port}"


def server_for(app: App) -> Server:
    """A server of the application, with the bounds of this module."""
    idle = _idle_connections()
    config = uvicorn.Config(
        cast("Any", app),
        http=cast("Any", partial(ServerConnection, idle=IdleConnections(idle, idle // 2))),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="error",  # malformed requests aren't logged
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config)


def _idle_connections() -> int:
    """The limit of idle connections: IDLE, or half of the process's file limit where that is less."""
    if sys.platform == "win32":
        return IDLE
    import resource

    return min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on the fastest event loop that is installed."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(main)


async def serve(server: Server, listener: socket.socket, on_signal: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; closes `listener`. `on_signal`: in place of `server.stop`."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, on_signal or server.stop)
    # Objects that exist by now live as long as the process, so the collector skips them. A request's objects are mostly
    # freed by reference count, so the default threshold of 700 would run it for nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 50, 50)
    # Each generator here is closed by its reader, so no set of open ones is kept.
    sys.set_asyncgen_hooks(firstiter=None)
    await server.serve([listener])
