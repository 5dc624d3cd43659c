"""Server-sent events: the framing that all dialects share."""

from typing import Any

import msgspec

CONTENT_TYPE = b"text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"

_encode = msgspec.json.Encoder(decimal_format="number").encode


def data(value: Any) -> bytes:
    """One event with `value` as JSON."""
    return b"data: " + _encode(value) + b"\n\n"


def comment(kind: bytes, value: Any) -> bytes:
    """A typed comment, such as `: progress {…}`, which other readers skip."""
    return b": " + kind + b" " + _encode(value) + b"\n\n"
