"""One way of writing for each sign, before anything is looked for."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.verifiers.notation import keyboard, latex
from perpend.verifiers.numbers import number

MINUS = "−–‒‐‑﹣－"


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("x = −2", "x = -2"),
        ("x = — 2", "x =-2"),
        ("(—3, 4)", "(-3, 4)"),
        ("Answer: —5", "Answer: -5"),
        ("fell to − 3 degrees", "fell to -3 degrees"),
        ("x − 3", "x - 3"),
        ("x = - 2", "x = -2"),
        ("x — 2", "x - 2"),
        ("3x² — y or 3x—1", "3x² - y or 3x - 1"),
        ("it is 3 — x", "it is 3 - x"),
        (r"\boxed{5 — 3} and $(a+b) — 2$", r"\boxed{5 - 3} and $(a+b) - 2$"),
        ("5 — 3", "5 - 3"),
        ("5 — 3 apples", "5 — 3 apples"),
        ("7 — I checked", "7 — I checked"),
        ("B — 42 km", "B — 42 km"),
        ("in all — 72", "in all — 72"),
        ("so—3 + 4", "so—3 + 4"),
        ("- 72", "- 72"),
        ("１２ Ａ 𝑥", "12 A x"),
        ("1\u202f000\u200b", "1 000"),
        ("½ x² √2 Straße", "½ x² √2 Straße"),
        ("٣٫٥ १२ 12٬345", "3.5 12 12,345"),
        ("Ⓑ ⓑ 🄰", "B b A"),
        ("−$5", "$-5"),
        ("The loss is –€5", "The loss is €-5"),
        ("− $5 or so", "- $5 or so"),
        ("fell by − $5", "fell by $-5"),
        ("$3 -$5 and $3-$5", "$3 -$5 and $3-$5"),
        ("x = ⁻5 and 10⁻⁵", "x = -5 and 10⁻⁵"),
    ],
)
def test_on_a_keyboard(text: str, typed: str) -> None:
    assert keyboard(text) == typed


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("−1½", r"-1\frac{1}{2}"),
        ("1⁄2", "1/2"),
        ("2√2", r"2\sqrt{2}"),
        ("√(2+√3)", r"\sqrt{2+\sqrt{3}}"),
        ("√√2", r"\sqrt{\sqrt{2}}"),
        ("∛8 + ⁴√(x+1)", r"\sqrt[3]{8} + \sqrt[4]{x+1}"),
        ("√(2", "√(2"),
        ("x₁² + 10⁻⁶", "x_{1}^{2} + 10^{-6}"),
        ("log₂ 8", r"\log_{2} 8"),
        (r"0.1\overline{6}", r"\frac{15}{90}"),
        ("0.3\u0305", r"\frac{3}{9}"),
        ("1.(3)", r"\frac{12}{9}"),
        ("0.33...", r"\frac{3}{9}"),
        ("3.1415...", "3.1415..."),
        ("(0,(3))", "(0,(3))"),
        ("3 × 4 ≤ 2π", r"3 \times  4 \le  2\pi "),
        ("Ωραία", "Ωραία"),
        ("6 m²", "6 m^{2}"),
        ("1 ²⁄₃", r"1 \frac{2}{3}"),
        ("√{b²−4}", r"\sqrt{b^{2}-4}"),
        ("2*sqrt(3) + sqrt 2 - cbrt(x)", r"2*\sqrt{3} + \sqrt{2} - \sqrt[3]{x}"),
        ("2pi and pies", r"2\pi  and pies"),
        ("sin x, log_2(3) and a sin", r"\sin x, \log_2(3) and a sin"),
        ("(-inf, 1) U (2, infinity)", r"(-\infty , 1)\cup (2, \infty )"),
        ("+/-3", r"\pm 3"),
        ("25℃", r"25^\circ C"),
    ],
)
def test_in_latex(text: str, written: str) -> None:
    assert latex(text) == written


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=3), st.sampled_from(MINUS))
def test_every_minus_sign_is_one(value: object, sign: str) -> None:
    for text in (str(value), f"x = {value}", f"${value}$"):
        assert keyboard(text.replace("-", sign)) == text


@given(st.integers(-99, 99), st.text("0123456789", min_size=0, max_size=4), st.integers(1, 9999))
def test_a_decimal_that_repeats_is_its_fraction(whole: int, once: str, again: int) -> None:
    found = number(latex(rf"{whole}.{once}\overline{{{again}}}"))
    shown = number(f"{whole}.{once}{str(again) * 20}")
    assert found is not None
    assert shown is not None
    if whole or not str(whole).startswith("-"):
        assert abs(found.value - shown.value) < Fraction(1, 10**15)


@given(st.text("0123456789½²₁√∛()-−—=.,…̅𝑥αx \\{}overlin", max_size=60))
def test_any_text_is_written_and_then_stays(text: str) -> None:
    assert keyboard(keyboard(text)) == keyboard(text)
    latex(text)
