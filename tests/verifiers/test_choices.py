"""The choice that a text settles on."""

import pytest

from perpend.verifiers.choices import letter


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("B", "B"),
        ("c", "C"),
        ("(C)", "C"),
        (r"so \boxed{\text{D}}", "D"),
        ("The answer is for sure D, it can't be A or B", "D"),
        ("I think (B)", "B"),
        ("A box is empty. So I choose E", "E"),
        ("I don't know", None),
        *(
            (text, "B")
            for text in ("(b)", "b.", "[b]", "**b**", "Option b", "Answer: b", "ANSWER: (b)", "Answer: Ｂ")
        ),
        *(
            (text, "B")
            for text in (
                r"\boxed{b}",
                r"\boxed{\text{(b)}}",
                r"$\boxed{\mathrm{b}}$",
                "b) Paris",
                "(b) Paris",
            )
        ),
        *(
            (text, "B")
            for text in ("The answer is b because of this", "I choose b", "The correct option is b")
        ),
        *((text, "A") for text in ("The answer is a.", "The answer is A because it fits", "Answer: a")),
        ("The answer is a good one", None),
        ("f(a) = 3", None),
        (r"\mathrm{E}*2", None),
        ("Answer: It cannot be B, so it is D", "D"),
        ("Answer: not C but D", "D"),
        ("The answer is not b but c.", "C"),
        ("The answer is not A. It is C.", "C"),
        ("The answer is B, not A", "B"),
        ("D rather than B", "D"),
        ("A is wrong. B is right.", "B"),
        ("A and B are both incorrect, so C", "C"),
        ("Neither A nor B, so C", "C"),
        ("It isn't A, B or D. So it's C", "C"),
        ("Eliminating A and B leaves C.", "C"),
        ("It can’t be B; it’s D", "D"),
        ("not (A), not (B), but (D)", "D"),
        ("I would say B. Wait, B is wrong. It's C.", "C"),
        ("Answer: not B", None),
        *(
            (text, "B")
            for text in (
                "it's b",
                "b is correct",
                "So, b.",
                "Hence b)",
                "The answer is 'B'",
                "The answer is __B__",
                "<answer>b</answer>",
                "Respuesta: b",
                "选项B正确",
                "Ⓑ",
            )
        ),
        *(
            (text, "B")
            for text in (
                "A. no\nB. yes\n\nAnswer: B",
                "(A) 3 (B) 4 (C) 5\n\nSo (B).",
                "All except B are wrong",
                "None but B",
                "I pick B. C is too small",
                "I, too, think B",
            )
        ),
        *(
            (text, "C")
            for text in (
                "The answer is B. Wait, no, it's C.",
                "B. Actually, no. It's C.",
                r"\boxed{B}... wait, no, the answer is C",
                "B is a distractor. The correct answer is C.",
                "B fails, so C",
                "b is wrong, c is right",
            )
        ),
        ("A, B and C are all wrong, so D", "D"),
        ("A, B, C are incorrect. D is correct.", "D"),
        ("A because it fits", "A"),
        *(
            (text, None)
            for text in (
                "A or C",
                "Both A and C",
                "The answer is A or C",
                "none of A, B, C",
                "B can't be right",
                "C has been eliminated",
                "All but B",
                "20 °C",
            )
        ),
    ],
)
def test_the_choice_that_a_text_settles_on(text: str, chosen: str | None) -> None:
    assert letter(text) == chosen
