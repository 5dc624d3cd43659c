"""Server-sent events: any way of cutting the bytes gives the same events."""

from hypothesis import given
from hypothesis import strategies as st

from perpend.backends.sse import SSEParser

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
