"""Lines of JSON: any cutting gives the same lines."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from perpend.backends.lines import LineParser

WHOLE = '{"n": 1}\n{"n": "🌦"}\r\n\n{"n": 3}'.encode()


@given(st.lists(st.integers(0, len(WHOLE))))
def test_any_cutting_gives_the_same_lines(cuts: list[int]) -> None:
    parser = LineParser()
    borders = [0, *sorted(cuts), len(WHOLE)]
    got = [line.strip() for a, b in itertools.pairwise(borders) for line in parser.feed(WHOLE[a:b])]
    assert got + parser.close() == [b'{"n": 1}', '{"n": "🌦"}'.encode(), b'{"n": 3}']
