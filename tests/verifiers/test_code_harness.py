"""Values go between a solution and its tests as what they are, or as something that is like nothing."""

import collections
import fractions
import json
import math
from typing import Any, NamedTuple

import pytest

from perpend.verifiers.code_harness import Unlike, decode, encode


def sent(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            True,
            0,
            -1,
            1 << 53,
            -(1 << 200),
            0.1,
            math.inf,
            1e300,
            2 + 3j,
            "",
            "\ud800",
            "é",
            b"\xff",
        ),
        *(
            [],
            (),
            set[int](),
            {},
            [1, (2, {3: {4}})],
            frozenset({1}),
            range(3),
            {(1, 2): [None]},
            bytearray(b"x"),
        ),
    ],
)
def test_plain_values_arrive(value: Any) -> None:
    assert sent(value) == value
    assert type(sent(value)) is type(value)


def test_kin_of_plain_values_arrive_as_such() -> None:
    class Point(NamedTuple):
        x: int
        y: int

    assert sent([Point(1, 2), collections.Counter("aab"), collections.deque([1])]) == [
        (1, 2),
        {"a": 2, "b": 1},
        [1],
    ]
    assert list(sent(character for character in "ab")) == ["a", "b"]
    assert list(sent(map(str, [1]))) == ["1"]
    assert sent({1: 2}.keys()) == [1]
    assert math.isnan(sent(math.nan))


def test_others_have_their_truth_alone() -> None:
    class Sly:
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

    for value in (Sly(), fractions.Fraction(1, 2), print):
        arrived = sent(value)
        assert isinstance(arrived, Unlike)
        assert arrived
        for compared in (Unlike.__eq__, Unlike.__ne__, Unlike.__lt__):
            with pytest.raises(TypeError, match="only plain values"):
                compared(arrived, value)


def test_numbers_of_very_many_digits_arrive() -> None:
    assert sent(10**5000) == 10**5000
