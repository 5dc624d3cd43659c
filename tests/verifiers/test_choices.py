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
    ],
)
def test_the_choice_that_a_text_settles_on(text: str, chosen: str | None) -> None:
    assert letter(text) == chosen
