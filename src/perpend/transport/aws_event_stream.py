"""AWS's binary event stream, as Bedrock sends a model's events (the `application/vnd.amazon.eventstream` encoding).

A message is: its length and its headers' length, a CRC-32 of these, headers, payload, a CRC-32 of all before.
"""

import base64
import struct
import zlib
from typing import Any

import msgspec
from msgspec import Struct

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_MAX_MESSAGE_BYTES = 1 << 24
"""AWS's own bound."""
_VALUE_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""By a header's type; types 6 and 7, bytes and text, begin with their length."""


class _Chunk(Struct):
    bytes: str = ""
    """Base64 of the model's own event."""


class EventStreamParser:
    """Implements `Framing`: yields the JSON events. Raises ValueError for a damaged message."""

    whole = False

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        data = self._buffer + chunk
        events: list[bytes] = []
        at = 0
        while len(data) - at >= _PRELUDE.size:
            total, headers, crc = _PRELUDE.unpack_from(data, at)
            if zlib.crc32(data[at : at + 8]) != crc or not headers + 16 <= total <= _MAX_MESSAGE_BYTES:
                raise ValueError("a message of the event stream has a damaged beginning")
            if len(data) - at < total:
                break
            message = data[at : at + total]
            if zlib.crc32(message[:-4]) != _CRC.unpack(message[-4:])[0]:
                raise ValueError("a message of the event stream is damaged")
            events.append(_event(_headers(message[12 : 12 + headers]), message[12 + headers : -4]))
            at += total
        self._buffer = data[at:]
        return events

    def close(self) -> list[bytes]:
        """A message that was cut off is dropped."""
        self._buffer = b""
        return []


def _headers(data: bytes) -> dict[str, str]:
    """The headers that are text. Raises ValueError for damaged ones."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]].decode()
            at += 1 + data[at]
            kind = data[at]
            at += 1
            if kind in (6, 7):
                size = int.from_bytes(data[at : at + 2])
                at += 2
            else:
                size = _VALUE_BYTES[kind]
            if kind == 7:
                found[name] = data[at : at + size].decode()
            at += size
    except (IndexError, KeyError) as error:
        raise ValueError("a message of the event stream has damaged headers") from error
    return found


def _event(headers: dict[str, str], payload: bytes) -> bytes:
    if headers.get(":message-type") == "event":
        try:
            return base64.b64decode(msgspec.json.decode(payload, type=_Chunk).bytes)
        except ValueError as error:
            raise ValueError(f"an event of the event stream can't be read: {error}") from error
    return msgspec.json.encode({"type": "error", "error": _exception(headers, payload)})


def _exception(headers: dict[str, str], payload: bytes) -> dict[str, Any]:
    """An exception's payload is `{"message": …}`; an error has its message in a header."""
    kind = headers.get(":exception-type") or headers.get(":error-code", "unknown")
    try:
        message = msgspec.json.decode(payload, type=dict[str, Any]).get("message")
    except ValueError:
        message = None
    return {"type": kind, "message": message or headers.get(":error-message", kind)}
