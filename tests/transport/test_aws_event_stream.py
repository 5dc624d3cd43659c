"""AWS's event stream: any cutting gives the same events, and damage is noticed."""

import itertools
import json
import struct
import zlib

import pytest
from event_streams import chunk, framed
from hypothesis import given
from hypothesis import strategies as st

from perpend.transport.aws_event_stream import EventStreamParser

EVENTS = [b'{"n": 1}', '{"n": "🌦"}'.encode(), b'{"n": 3}']
WHOLE = b"".join(map(chunk, EVENTS))


@given(st.lists(st.integers(0, len(WHOLE))))
def test_any_cutting_gives_the_same_events(cuts: list[int]) -> None:
    parser = EventStreamParser()
    borders = [0, *sorted(cuts), len(WHOLE)]
    got = [event for a, b in itertools.pairwise(borders) for event in parser.feed(WHOLE[a:b])]
    assert got + parser.close() == EVENTS


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_damaged_byte_never_becomes_an_event(at: int, flip: int) -> None:
    damaged = WHOLE[:at] + bytes([WHOLE[at] ^ flip]) + WHOLE[at + 1 :]
    parser = EventStreamParser()
    with pytest.raises(ValueError, match="event stream"):
        parser.feed(damaged)


def test_a_message_that_was_cut_off_says_nothing() -> None:
    parser = EventStreamParser()
    assert parser.feed(WHOLE[:-1]) == EVENTS[:-1]
    assert parser.close() == []


@pytest.mark.parametrize(
    ("message", "kind", "said"),
    [
        (
            framed(
                b'{"message":"slow down"}', message_type="exception", exception_type="throttlingException"
            ),
            "throttlingException",
            "slow down",
        ),
        (framed(b"", message_type="error", error_code="500", error_message="broken"), "500", "broken"),
    ],
)
def test_exceptions_and_errors_become_error_events(message: bytes, kind: str, said: str) -> None:
    (event,) = EventStreamParser().feed(message)
    assert json.loads(event) == {"type": "error", "error": {"type": kind, "message": said}}


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b'{"bytes": 1}', b'{"bytes": "\xff"}', b'{"bytes": "a"}']
)
def test_an_event_that_cant_be_read_is_damage(payload: bytes) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        EventStreamParser().feed(framed(payload, message_type="event"))


def test_an_exception_that_cant_be_read_is_told_by_its_name() -> None:
    (event,) = EventStreamParser().feed(
        framed(b'{"message": "\xff"}', message_type="exception", exception_type="x")
    )
    assert json.loads(event)["error"] == {"type": "x", "message": "x"}


def test_headers_of_other_types_are_passed_over() -> None:
    head = (
        b"\x01a\x00"
        + b"\x01b\x04\x00\x00\x00\x07"
        + b"\x01c\x06\x00\x02hi"
        + b"\x0d:message-type\x07\x00\x05event"
    )
    payload = json.dumps({"bytes": "e30="}).encode()
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    assert EventStreamParser().feed(message + struct.pack("!I", zlib.crc32(message))) == [b"{}"]
