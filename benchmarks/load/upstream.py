"""A model server in miniature: three wires at full speed, so that what is measured is the gateway.

python -m benchmarks.load.upstream --port 9001
"""

import argparse
import asyncio
from typing import cast

import httptools
import msgspec
import uvloop

from .dialects import DIALECTS, MODEL, Dialect

EVENT_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class Ask(msgspec.Struct):
    """The part of a request's body that changes the reply."""

    stream: bool = False
    stream_options: StreamOptions | None = None


def plain(status: bytes, body: object) -> bytes:
    data = msgspec.json.encode(body)
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(data)) + data


def pieces(dialect: Dialect, *, usage: bool) -> list[bytes]:
    """The stream as HTTP chunks, one server-sent event each."""
    lines: list[bytes] = []
    for event in dialect.events(usage=usage):
        kind = f"event: {event['type']}\n" if "type" in event else ""
        lines.append(b"%bdata: %b\n\n" % (kind.encode(), msgspec.json.encode(event)))
    if dialect.name == "chat":
        lines.append(b"data: [DONE]\n\n")
    return [b"%x\r\n%s\r\n" % (len(line), line) for line in lines] + [b"0\r\n\r\n"]


class Replies:
    """What is said in one dialect, made beforehand; the streams by whether usage is told in them."""

    def __init__(self, dialect: Dialect) -> None:
        self.path = dialect.path.encode()
        self.json = plain(b"200 OK", dialect.whole())
        self.pieces = {usage: pieces(dialect, usage=usage) for usage in (False, True)}
        self.stream = {usage: EVENT_STREAM + b"".join(parts) for usage, parts in self.pieces.items()}


REPLIES = [Replies(dialect) for dialect in DIALECTS.values()]
MODELS_REPLY = plain(b"200 OK", {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
ask_decoder = msgspec.json.Decoder(Ask)


class Connection(asyncio.Protocol):
    """One client; `delay_s` is the pause between chunks, 0 for the whole stream in one write."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
        self.replies = REPLIES[0]
        self.pacing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_message_begin(self) -> None:
        self.body = b""

    def on_url(self, url: bytes) -> None:
        self.replies = next((one for one in REPLIES if url.endswith(one.path)), REPLIES[0])

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if not self.body:
            self.transport.write(MODELS_REPLY)
            return
        ask = ask_decoder.decode(self.body)
        usage = ask.stream_options is not None and ask.stream_options.include_usage
        if not ask.stream:
            self.transport.write(self.replies.json)
        elif self.delay_s:
            self.pacing = asyncio.ensure_future(self.pace(self.replies.pieces[usage]))
        else:
            self.transport.write(self.replies.stream[usage])

    async def pace(self, parts: list[bytes]) -> None:
        self.transport.write(EVENT_STREAM)
        for part in parts:
            if self.transport.is_closing():
                return
            await asyncio.sleep(self.delay_s)
            self.transport.write(part)


async def serve(host: str, port: int, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(delay_s), host, port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--chunk-delay-ms", type=float, default=0.0, help="pause between streamed chunks")
    options = parser.parse_args()
    uvloop.run(serve(options.host, options.port, options.chunk_delay_ms / 1000))


if __name__ == "__main__":
    main()
