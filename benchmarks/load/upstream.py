"""A model server in miniature: the OpenAI chat wire at full speed, so that what is measured is the gateway.

Every reply thinks in 16 chunks and answers in 8; each chunk counts as 8 tokens. Replies are made beforehand.

    python -m benchmarks.load.upstream --port 9001
"""

import argparse
import asyncio
from typing import Any, cast

import httptools
import msgspec
import uvloop

MODEL = "fake-reasoner"
THINKING_CHUNKS = 16
ANSWER_CHUNKS = 8
TOKENS_PER_CHUNK = 8
THINKING_TOKENS = THINKING_CHUNKS * TOKENS_PER_CHUNK
TOKENS = THINKING_TOKENS + ANSWER_CHUNKS * TOKENS_PER_CHUNK
THOUGHT = "and then I weigh the next step, "
SPOKEN = "so it comes to forty-two, "
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": TOKENS,
    "total_tokens": 20 + TOKENS,
    "completion_tokens_details": {"reasoning_tokens": THINKING_TOKENS},
}
HEAD = {"id": "chatcmpl-fake", "created": 1_700_000_000, "model": MODEL}
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


def completion() -> dict[str, Any]:
    message = {
        "role": "assistant",
        "reasoning_content": THOUGHT * THINKING_CHUNKS,
        "content": SPOKEN * ANSWER_CHUNKS,
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}


def pieces(*, usage: bool) -> list[bytes]:
    """The stream as HTTP chunks, one server-sent event each."""

    def event(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}

    events = [event({"role": "assistant", "content": ""})]
    events += [event({"reasoning_content": THOUGHT})] * THINKING_CHUNKS
    events += [event({"content": SPOKEN})] * ANSWER_CHUNKS
    events.append(event({}, "stop"))
    if usage:
        events.append({**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    lines = [b"data: %s\n\n" % msgspec.json.encode(e) for e in events] + [b"data: [DONE]\n\n"]
    return [b"%x\r\n%s\r\n" % (len(line), line) for line in lines] + [b"0\r\n\r\n"]


JSON_REPLY = plain(b"200 OK", completion())
MODELS_REPLY = plain(b"200 OK", {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
STREAMS = {usage: pieces(usage=usage) for usage in (False, True)}
JOINED = {usage: EVENT_STREAM + b"".join(parts) for usage, parts in STREAMS.items()}
ask_decoder = msgspec.json.Decoder(Ask)


class Connection(asyncio.Protocol):
    """One client; `delay_s` is the pause between chunks, 0 for the whole stream in one write."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
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

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if not self.body:
            self.transport.write(MODELS_REPLY)
            return
        ask = ask_decoder.decode(self.body)
        usage = ask.stream_options is not None and ask.stream_options.include_usage
        if not ask.stream:
            self.transport.write(JSON_REPLY)
        elif self.delay_s:
            self.pacing = asyncio.ensure_future(self.pace(STREAMS[usage]))
        else:
            self.transport.write(JOINED[usage])

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
