"""The CORS protocol of the Fetch standard: which web pages of other origins may use the gateway."""

from perpend.serving.asgi import ASGIMessage, Header, Receive, Scope, Send, respond

ANY = "*"
_METHODS = b"GET, HEAD, POST, DELETE"
_EXPOSED = b"x-request-id, retry-after"
_MAX_AGE_S = b"600"


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of this name."""
    return next((value for header_name, value in scope["headers"] if header_name == name), None)


class Cors:
    """The allowed origins, and the headers that tell browsers so."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = {origin.encode() for origin in origins}
        self._any = ANY in origins

    def with_headers(self, scope: Scope, send: Send) -> Send:
        """`send` with CORS headers for an allowed origin, else as it is."""
        origin = header(scope, b"origin")
        if origin is None or not (self._any or origin in self._origins):
            return send
        allowed: list[Header] = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"origin"),
        ]

        async def send_with_headers(message: ASGIMessage) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed]
            await send(message)

        return send_with_headers

    async def preflight(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight request, which carries no key."""
        headers = header(scope, b"access-control-request-headers") or b"*"
        allowed: list[Header] = [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", headers),
            (b"access-control-max-age", _MAX_AGE_S),
        ]
        await respond(send, 204, b"", allowed)
