"""Is it the whole answer? A gateway that drops tokens or usage is fast for the wrong reason."""

import http.client
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .generator import Endpoint
from .upstream import ANSWER_CHUNKS, SPOKEN, THINKING_CHUNKS, THOUGHT, TOKENS


def verify(name: str, endpoint: Endpoint) -> dict[str, Any]:
    """Ask once each way and compare with what the upstream said; the JSON reply. Raises SystemExit."""
    reply = msgspec.json.decode(ask(name, endpoint, stream=False))
    message = reply["choices"][0]["message"]
    expect(name, "JSON", message.get("reasoning_content"), message["content"])
    counted = reply["usage"]["completion_tokens"]
    if counted != TOKENS:
        raise SystemExit(f"{name}: usage says {counted} output tokens, the upstream counted {TOKENS}")
    thinking, answer = streamed(ask(name, endpoint, stream=True))
    expect(name, "stream", thinking, answer)
    return reply


def ask(name: str, endpoint: Endpoint, *, stream: bool) -> bytes:
    parts = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    head, _, body = endpoint.request(stream=stream).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    connection.request("POST", f"{parts.path}/chat/completions", body, headers)
    response = connection.getresponse()
    data = response.read()
    if response.status != 200:
        raise SystemExit(f"{name} answers HTTP {response.status}: {data[:2000].decode(errors='replace')}")
    return data


def streamed(body: bytes) -> tuple[str, str]:
    """The thinking and the answer that the events of a stream add up to."""
    thinking, answer = "", ""
    for line in body.split(b"\n"):
        if not line.startswith(b"data:") or line.endswith(b"[DONE]"):
            continue
        for choice in msgspec.json.decode(line[5:]).get("choices", []):
            thinking += choice["delta"].get("reasoning_content") or ""
            answer += choice["delta"].get("content") or ""
    return thinking, answer


def expect(name: str, mode: str, thinking: str | None, answer: str) -> None:
    if thinking != THOUGHT * THINKING_CHUNKS:
        raise SystemExit(f"{name}, {mode}: the thinking isn't what the upstream sent: {thinking!r}")
    if answer != SPOKEN * ANSWER_CHUNKS:
        raise SystemExit(f"{name}, {mode}: the answer isn't what the upstream sent: {answer!r}")
