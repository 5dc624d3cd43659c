"""Where an answer stands in a solution, and how it is written plainly."""

import pytest

from perpend.verifiers.math_text import (
    announced,
    boxed,
    last_formula,
    last_number,
    money,
    plain,
    settled,
    unitless,
)


def test_every_box_is_found_with_braces_inside() -> None:
    assert boxed(r"so \boxed{\frac{1}{2}} or \fbox{3}") == [r"\frac{1}{2}", "3"]
    assert boxed(r"\boxed{28 pct") == ["28 pct"]
    assert boxed("none") == []


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (r"\boxed{5}. That is wrong: \boxed{7}", r"\boxed{7}"),
        ("\\boxed{5}\n\n\\boxed{7}", r"\boxed{7}"),
        (r"\boxed{5}, no: \boxed{7}", r"\boxed{7}"),
        (r"\boxed{5} or rather \boxed{7}", r"\boxed{7}"),
        (r"\boxed{1}. No: $x=\boxed{2}$ or $x = \boxed{3}$.", r"\boxed{2}$ or $x = \boxed{3}"),
        (r"\boxed{1}, \boxed{2}, \text{ and } \boxed{3}", r"\boxed{1}, \boxed{2}, \text{ and } \boxed{3}"),
        (r"\boxed{1} pen and \boxed{2} pads", r"\boxed{1} pen and \boxed{2}"),
        (r"\boxed{5}. Wait: the answer is 7.", "7"),
        (r"\boxed{5}. So the answer is right.", r"\boxed{5}"),
        ("none", ""),
    ],
)
def test_a_box_is_taken_back_by_a_later_one(text: str, last: str) -> None:
    assert settled(text) == last


def test_a_sum_of_money_among_numbers() -> None:
    assert money("She pays $1,220.50 within 12 months") == "1,220.50"
    assert money("220 $ d'ici 12 mois") == "220"
    assert money("$3 and $4") is None


def test_the_last_announcement_counts() -> None:
    assert announced("The answer is 3. No: the final answer is 42.") == "42"
    assert announced("nothing") is None


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("The point is (3, 4).", "(3, 4)"),
        ("The factor is x - 3", "x - 3"),
        (r"The area is 12\pi  cm^{2}.", r"12\pi"),
        ("There are 3", None),
    ],
)
def test_the_last_formula(text: str, formula: str | None) -> None:
    assert last_formula(text) == formula


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (r"12\pi  cm^{2}", r"12\pi"),
        (r"12\pi square centimeters", r"12\pi"),
        (r"5\sqrt{2}\text{ m}", r"5\sqrt{2}"),
        ("12x", "12x"),
        ("Miami heat", "Miami heat"),
    ],
)
def test_without_its_unit(text: str, bare: str) -> None:
    assert unitless(text) == bare


def test_the_last_number() -> None:
    assert last_number("3 + 4 = 7 birds") == "7"
    assert last_number("no") is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "so **72**",
            "- 72",
            "* 72",
            "Step 3: 72",
            "In week 3, 72 clips",
            "x=72",
            r"\(72\)",
            "$72",
            r"\$72",
        ),
        *(
            r"72\%",
            "72km",
            "72 m",
            "72/hour",
            r"72\text{ clips}",
            r"72^\circ",
            r"\text{72}",
            "about 72!",
            "(72)",
        ),
        *("48 + 24 = 72", r"\frac{144}{2} = 72", "72.", "72, as I said", "that's - 72", "结论：总共有72颗"),
        *("so => 72", "<b>72</b>"),
    ],
)
def test_one_that_stands_for_itself(text: str) -> None:
    assert last_number(text) == "72"


@pytest.mark.parametrize(
    "text",
    [
        *(
            r"\frac{1}{72}",
            r"\sqrt{72}",
            r"\sqrt 72",
            "x^72",
            "10^{72}",
            "a_72",
            "3 + 72",
            "3 - 72",
            "3-72",
            "x - 72",
        ),
        *(
            r"3 \cdot 72",
            "$3 * $72",
            "72x",
            "72 x",
            r"72\pi",
            r"72\sqrt{x}",
            "72√x",
            "72^n",
            "72(x+1)",
            "1:72",
            "(3, 72)",
        ),
        *(r"\pi/72", "2√72", r"\{3, 72\}", "3, 72", "3 or 72.", "x=3, y=72", "B72", "COVID-72"),
        *("x > 72", r"x \le 72", "x != 72", "x>=72", "72!", "72‰"),
    ],
)
def test_a_piece_of_an_expression_is_no_number_of_its_own(text: str) -> None:
    assert last_number(text) is None


@pytest.mark.parametrize(
    ("text", "plainly"),
    [
        (r"\$15,\!000", "15000"),
        (r"12\,345\,678", "12345678"),
        ("1,000.99", "1000.99"),
        ("1000,99", "1000.99"),
        ("0,111", "0.111"),
        ("(1,22)", "(1,22)"),
        (r"\\sqrt{5}", r"\sqrt{5}"),
        (r"\left(\dfrac{1}{2}\right)", r"(\frac{1}{2})"),
        ("33.5 percent.", r"33.5\%"),
        ("2**(1/4)", "2^{1/4}"),
        ("2 ** 3 ** 4", "2 ^{3} ^{4}"),
        ("10^-3 x^-n 2^0.5", "10^{-3} x^{-n} 2^{0.5}"),
        (r"\sqrt[3]2", r"\sqrt[3]{2}"),
        (r"5~\text{cm}", r"5 \text{cm}"),
        ("it is **7**", "it is 7"),
    ],
)
def test_plain(text: str, plainly: str) -> None:
    assert plain(text) == plainly
