"""A connection through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), then TLS inside of it."""

import asyncio
import base64
import ssl
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from perpend.errors import ConfigError
from perpend.transport.connection import Connection

_MAX_HEAD_BYTES = 1 << 16


async def tunnel(proxy: str, host: str, port: int, context: ssl.SSLContext | None) -> Connection:
    """A connection to `host` through `proxy`. Raises OSError, and ConfigError where the proxy's address is bad."""
    loop = asyncio.get_running_loop()
    address = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    if address.scheme != "http" or not address.hostname:
        raise ConfigError("the address of the proxy can't be used", hint='proxy = "http://HOST:PORT"')
    credentials = ""
    if address.username is not None:
        user = f"{unquote(address.username)}:{unquote(address.password or '')}"
        credentials = f"proxy-authorization: Basic {base64.b64encode(user.encode()).decode()}\r\n"
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    transport, reply = await loop.create_connection(_TunnelReply, address.hostname, address.port or 80)
    try:
        transport.write(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{credentials}\r\n".encode())
        await reply.opened
        connection = Connection()
        if context is None:
            transport.set_protocol(connection)
            connection.connection_made(transport)
        else:
            secured = await loop.start_tls(transport, connection, context, server_hostname=host)
            connection.connection_made(cast("asyncio.BaseTransport", secured))
    except BaseException:
        transport.abort()
        raise
    return connection


class _TunnelReply(asyncio.Protocol):
    """Waits for the proxy's 2xx answer to CONNECT."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            return
        self._head += data
        line, _, rest = self._head.partition(b"\r\n")
        if b"\r\n\r\n" in self._head:
            _, status, *_ = [*line.split(b" "), b"", b""]
            if status.startswith(b"2") and not rest.partition(b"\r\n\r\n")[2]:
                self.opened.set_result(None)
            else:
                status_line = line[:100].decode("latin-1")
                self.opened.set_exception(ConnectionRefusedError(f"the proxy answered {status_line!r}"))
        elif len(self._head) > _MAX_HEAD_BYTES:
            self.opened.set_exception(ConnectionRefusedError("the proxy didn't answer in HTTP"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionResetError("the proxy closed the connection"))
