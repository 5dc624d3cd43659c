"""Inequalities as the intervals that they mean."""

import pytest

from perpend.verifiers.intervals import is_interval, last_inequality, normalize_brackets, to_interval


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("x<3", r"(-\infty,3)"),
        (r"$x \le 3$", r"(-\infty,3]"),
        ("3 < x", r"(3,\infty)"),
        (r"2 > x \geq -1", "[-1,2)"),
        (r"-1 \leq t < \frac12", r"[-1,\frac12)"),
        (r"x < 1 \text{ or } x > 2", r"(-\infty,1)\cup(2,\infty)"),
        ("0 < x and x <= 5", "(0,5]"),
        (r"\{x \mid 0 < x < 5\}", "(0,5)"),
        (r"S = \{x \in R : x \le \frac{1}{2}\}", r"(-\infty,\frac{1}{2}]"),
        (r"\{x | x > 1, x \le 5\}", "(1,5]"),
        (r"\{x | x \in \mathbb{R}, x \ne 2\}", r"(-\infty,2)\cup(2,\infty)"),
        ("|x| < 5", "(-5,5)"),
        (r"|x| \ge 5", r"(-\infty,-5]\cup[5,\infty)"),
        (r"x \ne 2", r"(-\infty,2)\cup(2,\infty)"),
    ],
)
def test_what_it_means(text: str, meant: str) -> None:
    assert to_interval(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "3",
        "x+1<3",
        "f(x)<3",
        "0<1",
        "1<x>3",
        "x=3",
        "x<3 or y>3",
        "x>1 and x>2",
        "-2<-x<3",
        "<",
        "x<" * 500,
    ],
)
def test_what_is_no_bound_of_a_variable(text: str) -> None:
    assert to_interval(text) is None


def test_the_last_one_of_a_sentence() -> None:
    assert last_inequality("From x > 1 we get x < 1 or x > 3.") == "x < 1 or x > 3"
    assert last_inequality("nothing of the kind") == ""


@pytest.mark.parametrize(
    ("text", "so"),
    [
        ("]1,2[", "(1,2)"),
        ("[2;5[", "[2,5)"),
        (r"]-\infty ; 3]", r"(-\infty,3]"),
        ("f(1;2)", "f(1;2)"),
        ("[[1,2],[3,4]]", "[[1,2],[3,4]]"),
    ],
)
def test_in_the_usual_brackets(text: str, so: str) -> None:
    assert normalize_brackets(text) == so


def test_what_is_an_interval() -> None:
    assert all(map(is_interval, ("(0,3)", r"$[0, \infty)$", r"x \in (0,3]", r"(-\infty,1)\cup(2,\infty)")))
    assert not any(map(is_interval, ("3", "f(1)", "x<3", "(x)")))
