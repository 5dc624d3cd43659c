"""What a text settles on."""

import pytest

from perpend.verifiers.answer_extraction import extract_answer, same_answer


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("7", "7"),
        (r"So \boxed{7}, not 8.", "7"),
        ("First 3.\nThen 4.\nThe answer is 7.", "7"),
        ("3 + 4\nmakes 7 in all", "7"),
        ("**7**", "7"),
        (r"\boxed{\text{True}}", "True"),
        (r"It's \(\boxed{\mathrm{no}}\).", "no"),
        (r"\boxed{\textbf{(A) } 7}", r"\textbf{(A) } 7"),
        ("Paris", "Paris"),
        ("first A\nthen B", "B"),
        ("", ""),
        ("x=-2", "-2"),
        (r"$\theta = 5$", "5"),
        (r"\(x=5\)", "5"),
        ("<answer>5</answer>", "5"),
        ("The answer is 3, not 5.", "3"),
        ("The answer is not 3 but 5", "5"),
        ("The answer is 3. Wait, no, it's 5.", "5"),
        ("The answer is 3. Actually, this is easy: 5 is prime.", "3"),
        (r"\boxed{3}. Wait, I made a mistake." + "\n\n**Answer: 5**", "5"),
        (r"\boxed{3}. The answer should be 5.", "5"),
        (r"\boxed{3}. A common wrong answer is 5.", "3"),
    ],
)
def test_what_a_text_settles_on(text: str, settled: str) -> None:
    assert extract_answer(text) == settled


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("0.5", "1/2", True),
        ("So it's 12.0", "12", True),
        ("Paris", "paris", True),
        ("12", "13", False),
        ("€25", "25", True),
        ("about 12 345 €", "12345", True),
        ("12 345 €", "345", False),
        ("x > 5", "5", False),
        ("x ≠ 5", "5", False),
        ("-$5", "-5", True),
        ("The loss is −$5", "5", False),
    ],
)
def test_alike(first: str, second: str, same: bool) -> None:
    assert same_answer(first, second) is same
