"""What a text settles on, and whether two texts settle on the same."""

import re

from perpend.verifiers import numbers
from perpend.verifiers.choices import letter
from perpend.verifiers.math_text import (
    affirmed,
    announced,
    boxed,
    last_number,
    plain,
    settled,
    unassigned,
    value,
)
from perpend.verifiers.notation import latex

_WORDS = re.compile(r"\\(?:text|math)(?:rm|bf|it|tt|sf)?\s*\{([^{}]*)\}")
"""LaTeX that only sets how words look."""
_MATH = re.compile(r"\\[()\[\]]")


def final(text: str) -> str:
    """Its last box or boxes, what it announces, its only line, its last number, or all of it."""
    text = affirmed(latex(text)).strip()
    last = settled(text)
    said = ", ".join(boxed(last)) or last or value(announced(text)) or announced(text)
    if said is None and "\n" in text.strip():
        said = last_number(text) or letter(text)
    if said is None and numbers.number(plain(text)) is None and len(text.split()) > 1:
        said = last_number(text)
    answer = unassigned(plain(_MATH.sub("", text if said is None else said)).strip("*`$\"'“” "))
    words = _WORDS.fullmatch(answer)
    return words[1].strip() if words else answer


def alike(first: str, second: str) -> bool:
    """The final answers are the same number where they are numbers, and the same text where they aren't."""
    one, other = final(first), final(second)
    if one.casefold() == other.casefold():
        return True
    as_numbers = numbers.number(one), numbers.number(other)
    return None not in as_numbers and numbers.equal(*as_numbers)  # pyright: ignore[reportArgumentType]
