"""The part of ASGI that the gateway uses: read a bounded body, send a whole response."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from perpend.errors import BadRequest, TooLarge

Scope: TypeAlias = MutableMapping[str, Any]
ASGIMessage: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[ASGIMessage]]
Send: TypeAlias = Callable[[ASGIMessage], Awaitable[None]]
Handler: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
BODY_TIMEOUT_S = 60.0


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The request's body.

    Raises TooLarge beyond `limit` bytes, BadRequest after BODY_TIMEOUT_S seconds, and ClientGone.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message["body"]
    if message["more_body"]:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read_rest(body, receive, limit)
        except TimeoutError:
            hint = f"send it whole within {BODY_TIMEOUT_S:.0f} s"
            raise BadRequest("the body didn't arrive in time", hint=hint) from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _read_rest(first: bytes, receive: Receive, limit: int) -> bytes:
    body = bytearray(first)
    more = True
    while more:
        if len(body) > limit:
            raise _too_large(limit)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message["body"]
        more = message["more_body"]
    return bytes(body)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", hint="send less, or raise serve.max_body_bytes")


async def respond(send: Send, status: int, body: bytes, headers: Iterable[Header]) -> None:
    """Send a whole response at once."""
    all_headers = [(b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
