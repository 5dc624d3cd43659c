"""A server of OpenAI's chat completions with the scripted model behind it."""

import json
import re
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

from benchmarks.clients.script import JSON, THOUGHT, Call, Refusal, reply

PAUSE_S = 0.02
"""Between two pieces, so that what streams is seen to stream."""


def deltas(said: str | Call) -> list[JSON]:
    """The reply in pieces: thinking, then words or a call whose arguments come in two."""
    pieces: list[JSON] = [{"reasoning": word + " "} for word in THOUGHT.split()]
    if isinstance(said, str):
        return [*pieces, *({"content": word} for word in re.findall(r"\S+\s*", said))]
    given = json.dumps(said.arguments)
    begun = {"index": 0, "id": f"call_{time.monotonic_ns()}", "type": "function"}
    first = {**begun, "function": {"name": said.name, "arguments": given[:3]}}
    rest = {"index": 0, "function": {"arguments": given[3:]}}
    return [*pieces, {"tool_calls": [first]}, {"tool_calls": [rest]}]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[JSON]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its base names it so
        pass

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append(body)
        said = reply(body)
        if isinstance(said, Refusal):
            error = {"message": said.message, "code": said.code, "type": "invalid_request_error"}
            self._json(said.status, {"error": error})
        else:
            self._stream(said)

    def _stream(self, said: str | Call) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for delta in deltas(said):
            self._event({"choices": [{"index": 0, "delta": delta}]})
            time.sleep(PAUSE_S)
        reason = "stop" if isinstance(said, str) else "tool_calls"
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        self._event({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 12}})
        with suppress(BrokenPipeError):
            self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def _event(self, value: JSON) -> None:
        data = f"data: {json.dumps(value)}\n\n".encode()
        with suppress(BrokenPipeError):  # the gateway has heard enough
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _json(self, status: int, value: JSON) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Upstream(NamedTuple):
    url: str
    seen: list[JSON]
    """The bodies of all requests, in order."""


@contextmanager
def upstream() -> Generator[Upstream]:
    seen: list[JSON] = []
    handler = type("Scripted", (Handler,), {"seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Upstream(f"http://127.0.0.1:{server.server_port}/v1", seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
