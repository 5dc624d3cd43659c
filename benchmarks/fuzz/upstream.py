# pyright: basic
# what any JSON may be has no types
"""A model for a fuzz: four wires, embeddings and a verifier, at full speed; it answers by what it's asked.

python -m benchmarks.fuzz.upstream --port 9001
"""

import argparse
import asyncio
import zlib
from typing import Any

import msgspec
import uvloop

from benchmarks.load.upstream import EVENT_STREAM, Connection, plain

ANSWERS = (
    "42",
    "B",
    '{"a": 1}',
    r"So it's \boxed{42}.",
    "```python\ndef f():\n    return 7\n```",
    "hm</think>7",
    "",
    "[1, 2]",
    "a" * 30,
)
USAGE = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
VERDICTS = ({"passed": True}, {"score": 0.5}, {"passed": False, "feedback": "no"}, {"score": 7}, "x", None)


def stream(*events: Any) -> bytes:
    lines = [b"data: %b\n\n" % msgspec.json.encode(event) for event in events]
    return (
        EVENT_STREAM
        + b"".join([b"%x\r\n%b\r\n" % (len(line), line) for line in [*lines, b"data: [DONE]\n\n"]])
        + b"0\r\n\r\n"
    )


def said(body: dict[str, Any], number: int) -> str:
    """Half of the time what it was asked: so a case may choose what its verifier is given."""
    asked = body["messages"][-1]["content"] if body.get("messages") else body.get("prompt")
    if number % 2 and isinstance(asked, str):
        return asked
    return ANSWERS[number // 2 % len(ANSWERS)]


def chat(body: dict[str, Any], number: int) -> bytes:
    delta: dict[str, Any] = {"reasoning_content": "hm", "content": said(body, number)}
    tools = [tool["function"]["name"] for tool in body.get("tools") or [] if tool.get("function")]
    if tools and number % 2:
        call = {
            "index": 0,
            "id": f"call_{number}",
            "function": {"name": tools[number % len(tools)], "arguments": '{"a": "b"}'},
        }
        delta = {"tool_calls": [call]}
    reason = "tool_calls" if "tool_calls" in delta else "length" if number % 7 == 0 else "stop"
    return stream({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": USAGE})


def completion(body: dict[str, Any], number: int) -> bytes:
    return stream(
        {
            "choices": [{"text": f"{said(body, number)}\n\n", "finish_reason": "stop"}],
            "usage": USAGE,
        }
    )


def embeddings(body: dict[str, Any], _: int) -> bytes:
    asked = body["input"]
    count = len(asked) if isinstance(asked, list) and not (asked and isinstance(asked[0], int)) else 1
    return plain(b"200 OK", {"data": [{"index": at, "embedding": [0.5, 1.0]} for at in range(count)]})


def verdict(_: dict[str, Any], number: int) -> bytes:
    return plain(b"200 OK", VERDICTS[number % len(VERDICTS)])


REPLY = {
    b"/chat/completions": chat,
    b"/completions": completion,
    b"/embeddings": embeddings,
    b"/verdict": verdict,
}


class Answering(Connection):
    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self.reply = next((reply for path, reply in REPLY.items() if url.endswith(path)), None)

    def on_message_complete(self) -> None:
        if self.reply is None or not self.body:
            super().on_message_complete()
        else:
            self.transport.write(self.reply(msgspec.json.decode(self.body), zlib.crc32(self.body)))


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(0), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=9001)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
