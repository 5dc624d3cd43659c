"""The floor: the same parts as the gateway (uvicorn, msgspec, aiohttp) with nothing of the product between them.

Checks one key, decodes the body, asks the upstream, re-encodes the reply. The rest of the gateway's cost is its own.

    python -m benchmarks.load.bare_relay --port 9002 --upstream http://127.0.0.1:9001/v1 --key K
"""

import argparse
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
JSON_HEADERS = [(b"content-type", b"application/json")]
STREAM_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
decoder, encoder = msgspec.json.Decoder(), msgspec.json.Encoder()


class Relay:
    def __init__(self, upstream: str, key: str) -> None:
        self.upstream = upstream.removesuffix("/v1")
        self.authorization = b"Bearer " + key.encode()
        self.session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["method"] == "GET":
            await respond(send, 200, b'{"status": "ok"}')
        elif dict(scope["headers"]).get(b"authorization") != self.authorization:
            await respond(send, 401, b'{"error": {"message": "unknown key"}}')
        else:
            await self.relay(scope["path"], receive, send)

    async def relay(self, path: str, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        ask = decoder.decode(body)
        self.session = self.session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        async with self.session.post(self.upstream + path, data=encoder.encode(ask)) as upstream:
            if not ask.get("stream"):
                reply = decoder.decode(await upstream.read())
                await respond(send, upstream.status, encoder.encode(reply))
                return
            await send({"type": "http.response.start", "status": upstream.status, "headers": STREAM_HEADERS})
            rest = b""
            async for data in upstream.content.iter_any():
                *events, rest = (rest + data).split(b"\n\n")
                out = b"".join(reencoded(event) for event in events)
                await send({"type": "http.response.body", "body": out, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


def reencoded(event: bytes) -> bytes:
    head, _, data = event.partition(b"data: ")
    if data in (b"", b"[DONE]"):
        return event + b"\n\n"
    return b"%bdata: %b\n\n" % (head, encoder.encode(decoder.decode(data)))


async def respond(send: Send, status: int, body: bytes) -> None:
    headers = [*JSON_HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=9002)
    parser.add_argument("--upstream", default="http://127.0.0.1:9001/v1")
    parser.add_argument("--key", required=True)
    options = parser.parse_args()
    relay: Any = Relay(options.upstream, options.key)
    uvicorn.run(relay, port=options.port, log_level="error", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
