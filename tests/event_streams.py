"""Messages in AWS's event stream encoding, as Bedrock sends them."""

import base64
import json
import struct
import zlib


def framed(payload: bytes, **headers: str) -> bytes:
    """One message; `event_type` becomes the header `:event-type`."""
    head = b"".join(
        bytes([len(name) + 1])
        + f":{name.replace('_', '-')}".encode()
        + b"\x07"
        + struct.pack("!H", len(value))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack("!I", zlib.crc32(message))


def chunk(event: bytes) -> bytes:
    """A model's event as Bedrock wraps it."""
    payload = json.dumps({"bytes": base64.b64encode(event).decode(), "p": "abc"}).encode()
    return framed(payload, event_type="chunk", content_type="application/json", message_type="event")
