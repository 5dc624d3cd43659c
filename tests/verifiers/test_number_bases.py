"""Numbers that name their base."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.verifiers.number_bases import parse_based, same, to_decimals


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, 10) for text in ("1010_2", "1010_{2}", "(1010)_2", "$1010_{(2)}$", r"1010_{\text{two}}")),
        *(
            (text, 10)
            for text in ("1010 in base 2", "1010 (base two)", "1010 base-2", "0b1010", "1010_{two}")
        ),
        *((text, 42) for text in ("2A_{16}", "2a_{16}", "0x2A", "2A_{hex}", "0o52", "2A (hexadecimal)")),
        ("-101_2", -5),
        ("0.11_2", Fraction(3, 4)),
        ("FF_{16}", 255),
    ],
)
def test_however_it_is_written(text: str, value: int | Fraction) -> None:
    found = parse_based(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize(
    "text", ["1010", "x_1", "a_2", "19_3", "2_{n}", "10_2^3", "5 base", "1_{99}", "1" * 500 + "_2"]
)
def test_what_names_none(text: str) -> None:
    assert parse_based(text) is None


@pytest.mark.parametrize(
    ("gold", "given_", "equal"),
    [
        ("1010_2", "1010_3", False),
        ("1010_2", "12_8", True),
        ("1010_2", "1010", True),
        ("1010_2", "10", False),  # bare digits are in the base that was asked for
        ("10", "1010_2", True),
        ("1010", "1010_2", True),
        ("11", "1010_2", False),
    ],
)
def test_of_one_value(gold: str, given_: str, equal: bool) -> None:
    assert same(parse_based(gold), parse_based(given_), (gold, given_)) is equal


@given(st.integers(0, 10**9), st.sampled_from([(2, "b"), (8, "o"), (16, "X")]))
def test_what_is_written_is_read(value: int, base: tuple[int, str]) -> None:
    for text in (f"{format(value, base[1])}_{{{base[0]}}}", f"{format(value, base[1])} in base {base[0]}"):
        found = parse_based(text)
        assert found is not None
        assert found.value == value


def test_inside_an_expression() -> None:
    assert to_decimals("101_2 + 11_{3}, x_2 and 19_3") == "5 + 4, x_2 and 19_3"
