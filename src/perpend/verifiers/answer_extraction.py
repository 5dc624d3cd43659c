"""The final answer of a text, and whether two texts have the same one."""

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

_TEXT_COMMAND = re.compile(r"\\(?:text|math)(?:rm|bf|it|tt|sf)?\s*\{([^{}]*)\}")
"""A LaTeX command that only sets the font of words."""
_MATH_DELIMITERS = re.compile(r"\\[()\[\]]")


def extract_answer(text: str) -> str:
    """The last box or boxes, what is announced ("the answer is …"), the only line, the last number, or all of it."""
    text = affirmed(latex(text)).strip()
    last = settled(text)
    found = ", ".join(boxed(last)) or last or value(announced(text)) or announced(text)
    if found is None and "\n" in text.strip():
        found = last_number(text) or letter(text)
    if found is None and numbers.number(plain(text)) is None and len(text.split()) > 1:
        found = last_number(text)
    answer = unassigned(plain(_MATH_DELIMITERS.sub("", text if found is None else found)).strip("*`$\"'“” "))
    words = _TEXT_COMMAND.fullmatch(answer)
    return words[1].strip() if words else answer


def same_answer(first: str, second: str) -> bool:
    """Whether the final answers are equal: as numbers where both are, else as text in any case."""
    one, other = extract_answer(first), extract_answer(second)
    if one.casefold() == other.casefold():
        return True
    as_numbers = numbers.number(one), numbers.number(other)
    return None not in as_numbers and numbers.equal(*as_numbers)  # pyright: ignore[reportArgumentType]
