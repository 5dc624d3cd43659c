"""Arithmetic is computed exactly, and nothing large is computed at all."""

import ast
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.verifiers.arithmetic import NotArithmetic, evaluate, normalize_operators
from perpend.verifiers.arithmetic_claims import tokens


def value(text: str) -> Fraction:
    return evaluate(tokens(normalize_operators(text)))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("17 * 23", "391"),
        ("17 × 23", "391"),
        ("17 x 23", "391"),
        (r"17 \cdot 23 \times 2", "782"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("10 - 4 - 3", "3"),
        ("12 / 4 / 3", "1"),
        (r"12 \div 8", "3/2"),
        ("2^10", "1024"),
        ("2**10", "1024"),
        ("2^{10}", "1024"),
        ("-2^2", "-4"),
        ("2^-1", "1/2"),
        ("5!", "120"),
        ("20% of 50", "10"),
        ("3(4 + 5)", "27"),
        (r"\frac{1}{2} + \dfrac{1}{3}", "5/6"),
        (r"\sqrt{16} + \sqrt{\frac{1}{4}}", "9/2"),
        (r"1,000,000 - 1", "999999"),
        (r"\$5 + \$3.50", "17/2"),
        ("5 - -3", "8"),
    ],
)
def test_however_it_is_written(text: str, result: str) -> None:
    assert value(text) == Fraction(result)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 +",
        "/ 3",
        "1 2",
        "1 1/2",  # a mixed number, or two
        "(1",
        "1)",
        "1/0",
        "0^-1",
        r"\sqrt{2}",
        "6/2(1+2)",
        "2^3^2",
        "2^99999999",
        "99999!",
        "(5/2)!",
        "((9^999)^999)^999",
        "9" * 301,
        "(" * 100 + "1" + ")" * 100,
        "1" + "+1" * 500,
        "*".join(["9^1000"] * 50),
    ],
)
def test_what_has_no_value_or_too_large_a_one(text: str) -> None:
    with pytest.raises(NotArithmetic):
        value(text)


EXPRESSIONS = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_as_python_computes_it(text: str) -> None:
    try:
        expected = _by_python(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        with pytest.raises(NotArithmetic):
            value(text)
    else:
        assert value(text) == expected


def _by_python(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        return Fraction(node.value)
    assert isinstance(node, ast.BinOp)
    left, right = _by_python(node.left), _by_python(node.right)
    match node.op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case _:
            return left / right


@given(st.text(alphabet=r"0123456789+-*/^(){}=.,% \fracsqrtx$!<>" + "\n", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(NotArithmetic):
        value(text)
