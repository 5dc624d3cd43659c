"""Numbers are read exactly, and compared as their writing allows."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.verifiers.numbers import equal, number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", "3"),
        ("-0.5", "-1/2"),
        (".5", "1/2"),
        ("1/3", "1/3"),
        ("2/(-3)", "-2/3"),
        (r"\frac{1}{2}", "1/2"),
        (r"\frac12", "1/2"),
        ("1 1/2", "3/2"),
        (r"918\frac{1}{2}", "1837/2"),
        (r"7.8\times 10^2", "780"),
        ("1.5e3", "1500"),
        (r"33.5\%", "67/200"),
        (r"10\text{ cm}^2", "10"),
        ("10 square units", "10"),
        (r"74^\circ", "74"),
        ("(5)", "5"),
        *(
            (text, "1000000")
            for text in ("1,000,000", "10,00,000", "1 000 000", "1'000'000", "1_000_000", "1.000.000")
        ),
        ("12,34,567.5", "2469135/2"),
        ("1,00,000 rupees", "100000"),
        (r"-40^\circ C", "-40"),
        ("1.234,5", "2469/2"),
        ("3 million", "3000000"),
        ("3.5 billion people", "3500000000"),
        *((text, "25") for text in ("$25", "US$25", "€ 25", "25 €", "25 USD", "~25", r"\approx 25")),
        *((text, "72") for text in ("72 km/h", "72 kg m/s^{2}", "72 m^2", r"72 km\cdot  h^{-1}")),
        (r"3\times  10^{8} m/s", "300000000"),
        (r"1.5\times 10^(-4) C", "3/20000"),
    ],
)
def test_a_number_however_it_is_written(text: str, value: str) -> None:
    found = number(text)
    assert found is not None
    assert found.value == Fraction(value)


@pytest.mark.parametrize(
    "text",
    ["", "x", "2x", "1+1", "1/0", "3, 4", "0.64N", r"\sqrt{2}", "(1, 2)", "10, 20, 300", "x/y", "5 a/b"],
)
def test_what_is_no_number(text: str) -> None:
    assert number(text) is None


@given(st.fractions(max_denominator=10**6))
def test_what_is_written_is_read(value: Fraction) -> None:
    for text in (f"{value.numerator}/{value.denominator}", f"{value.numerator}/{value.denominator} cm"):
        found = number(text)
        assert found is not None
        assert found.value == value


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=4))
def test_a_decimal_is_its_own_fraction(value: object) -> None:
    found = number(str(value))
    assert found is not None
    assert found.value == Fraction(str(value))


@pytest.mark.parametrize(
    ("gold", "given_", "same"),
    [
        ("1/3", "0.333", True),
        ("1/3", "0.33", False),  # two digits may be the rounding of too much else
        ("1/3", "0.334", False),
        ("0.335", r"33.5\%", True),
        (r"28\%", "28", True),
        ("0.8", "75", False),
        ("3.15", "3.14159", False),
        ("12345678902", "12345678901", False),
        ("1/432", r"2.314814814815 \times 10^{-3}", True),
    ],
)
def test_equal_as_the_writing_shows(gold: str, given_: str, same: bool) -> None:
    first, second = number(gold), number(given_)
    assert first is not None
    assert second is not None
    assert equal(first, second) is same
