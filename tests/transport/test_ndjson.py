"""Lines of JSON: any cutting gives the same lines."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.transport.ndjson import LineParser

WHOLE = '{"n": 1}\n{"n": "🌦"}\r\n\n{"n": 3}'.encode()


@given(st.lists(st.integers(0, len(WHOLE))))
def test_any_cutting_gives_the_same_lines(cuts: list[int]) -> None:
    parser = LineParser()
    borders = [0, *sorted(cuts), len(WHOLE)]
    got = [line.strip() for a, b in itertools.pairwise(borders) for line in parser.feed(WHOLE[a:b])]
    assert got + parser.close() == [b'{"n": 1}', '{"n": "🌦"}'.encode(), b'{"n": 3}']


def test_a_line_without_an_end_is_refused() -> None:
    parser = LineParser()
    with pytest.raises(ValueError, match="a line has more than"):
        parser.feed(b"x" * (1 << 23) + b"x")


@pytest.mark.parametrize("size", [1, 3, 99])
def test_one_object_on_several_lines_is_given_whole(size: int) -> None:
    body = b'\n{\n "n": 1,\n "done": true\n}\n'
    parser = LineParser()
    assert not any(parser.feed(body[at : at + size]) for at in range(0, len(body), size))
    assert (parser.close(), parser.whole) == ([body.strip()], True)


@pytest.mark.parametrize("size", [1, 2, 99])
def test_a_mark_of_byte_order_is_no_part_of_the_first_line(size: int) -> None:
    body = b"\xef\xbb\xbf" + WHOLE
    parser = LineParser()
    got = [line for at in range(0, len(body), size) for line in parser.feed(body[at : at + size])]
    assert got[0] == b'{"n": 1}'
