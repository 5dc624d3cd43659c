"""Server-sent events: any way of cutting the bytes gives the same events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.transport.sse import SSEParser

TEXT = st.characters(codec="utf-8", exclude_characters="\r\n")
EVENTS = st.lists(st.text(alphabet=TEXT, max_size=12).map(str.encode))
NEWLINES = st.sampled_from([b"\n", b"\r\n", b"\r"])


def parse(pieces: list[bytes]) -> list[bytes]:
    parser = SSEParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


@given(EVENTS, NEWLINES, st.data())
def test_any_chunking_gives_the_same_events(events: list[bytes], newline: bytes, data: st.DataObject) -> None:
    stream = b"".join(b"data: " + event + newline * 2 for event in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(pieces) == [event for event in events if event], "what has no data is no event"


def test_comments_event_names_and_ids_are_passed_over() -> None:
    assert parse([b": ping\n\nevent: x\nid: 1\ndata: a\n\nretry: 10\n\n"]) == [b"a"]


def test_data_lines_of_one_event_are_joined() -> None:
    assert parse([b"data: a\ndata:b\n\n"]) == [b"a\nb"]


@given(st.lists(st.sampled_from([b"data: ", b"data:", b"a", b"\n", b"\n\n", b"\r\n", b"id: 1"]), max_size=12))
def test_whole_events_in_one_read_are_those_of_any_reads(said: list[bytes]) -> None:
    assert parse([b"".join(said)]) == parse(said)


def test_a_last_event_without_its_blank_line_is_not_lost() -> None:
    assert parse([b"data: a\n\ndata: [DONE]"]) == [b"a", b"[DONE]"]


@given(
    st.sampled_from([b'{"a": 1}', b'[{"a": 1}]', b'{\n "data": "x\\n\\n"\n}\n\n', b'\n {"a":\r\n1}']),
    st.data(),
)
def test_one_body_in_the_place_of_a_stream_is_given_whole(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    parser = SSEParser()
    assert not any(parser.feed(piece) for piece in pieces)
    assert parser.whole
    assert parser.close() == [body.strip().strip(b"[]")]


@pytest.mark.parametrize("size", [1, 2, 3, 99])
def test_a_mark_of_byte_order_is_no_part_of_the_first_event(size: int) -> None:
    stream = b"\xef\xbb\xbfdata: a\n\ndata: b\n\n"
    assert parse([stream[at : at + size] for at in range(0, len(stream), size)]) == [b"a", b"b"]


def test_an_event_without_data_is_none() -> None:
    assert parse([b"data: a\n\ndata: \n\ndata: b\n\n"]) == [b"a", b"b"]
    assert parse([b"data:\n\ndata\n\nevent: x\n\n"]) == []


LINES = [b'{"a": 1}', b'{"data": "data: x"}', b'{"b": {"c": "}"}}', b"{}"]


@given(st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n"]), st.booleans(), st.data())
def test_a_stream_of_json_lines_is_given_line_by_line(end: bytes, last: bool, data: st.DataObject) -> None:
    body = end.join(LINES) + (end if last else b"")
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    parser = SSEParser()
    assert [line.strip() for piece in pieces for line in parser.feed(piece)] == LINES[: None if last else -1]
    assert [line.strip() for line in parser.close()] == LINES[4 if last else -1 :]
    assert not parser.whole


def test_a_line_comes_once_it_is_whole_and_the_first_once_another_follows() -> None:
    parser = SSEParser()
    given = [parser.feed(piece) for piece in (b'{"a": 1}\n', b" ", b'{"b"', b": 2}", b"\n", b'{"c": 3}\n')]
    assert given == [[], [], [b'{"a": 1}'], [], [b' {"b": 2}'], [b'{"c": 3}']]


@pytest.mark.parametrize("rest", [b"\n", b'\n, "b": 2}', b"\n}", b"\n\n\r\n"])
def test_an_object_that_goes_on_over_its_lines_is_one(rest: bytes) -> None:
    parser = SSEParser()
    assert not any(parser.feed(bytes([byte])) for byte in b'{"a": {}' + rest)
    assert (len(parser.close()), parser.whole) == (1, True)
