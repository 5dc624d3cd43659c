"""Runs the application on uvicorn; at the first signal it takes no more, and waits for what is under way."""

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
from perpend.serving.connections import Idle, ServerConnection

T = TypeVar("T")

BACKLOG = 4096
GRACE_S = 30
"""How long requests under way may take to finish once the server stops."""
YOUNG = 10_000
IDLE = 1024
"""Connections without a request, at most; half as many from one address."""
KEEP_ALIVE_S = 75
"""Longer than the pools of usual clients and proxies keep an idle connection."""


class Server(uvicorn.Server):
    """Leaves signals to `serve`, so that the process cleans up and exits with status 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    def stop(self) -> None:
        """Stop taking connections; a second call stops waiting."""
        self.force_exit = self.should_exit
        self.should_exit = True

    def finish(self) -> None:
        """Stop taking connections, and wait for the requests under way however often it is called."""
        self.should_exit = True


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; port 0 lets the system choose, `shared` lets others listen there too.

    Raises ConfigError when it can't be had.
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
    """Where a server that listens on `host` is reached from this machine."""
    shown = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104 -- compared
    return f"http://{shown}:{port}"


def server_for(app: App) -> Server:
    idle = _idle_connections()
    config = uvicorn.Config(
        cast("Any", app),
        http=cast("Any", partial(ServerConnection, idle=Idle(idle, idle // 2))),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="error",  # what a stranger sends isn't worth a line
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config)


def _idle_connections() -> int:
    """Half of the files that the process may have open, and not more than it needs."""
    if sys.platform == "win32":
        return IDLE
    import resource

    return min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on the fastest event loop that there is here."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(main)


async def serve(server: Server, listener: socket.socket, on_signal: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; closes `listener`. `on_signal`: in place of `server.stop`."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, on_signal or server.stop)
    # What exists by now lives as long as the process: the collector needn't look at it again,
    # and what a request makes is mostly gone before the young generation's usual 700 are full.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 50, 50)
    await server.serve([listener])
