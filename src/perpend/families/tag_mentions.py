"""Whether a tag is only mentioned in a text: quoted, or a word of a sentence."""

import re
from typing import Literal

from perpend.families.text_position import TextPosition

_CLOSING_QUOTE = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "*": "*", "_": "_"}
_PUNCTUATION = frozenset(".,;:?!)")
_IN_COMPOUND = frozenset("-'’/")
_AFTER_A_WORD = frozenset(" \t\n|)")
_BEFORE_A_WORD = frozenset(" \t(|")
_WORD_BEFORE = re.compile(
    r"\b(an?|the|this|that|each|every|open(ing)?|clos(e|ing)|with|in|between|inside|by|from|of|to|and|or)[ \t(]*$",
    re.IGNORECASE,
)
_WORD_AFTER = re.compile(
    r"\W{0,2}(tags?|tokens?|markers?|blocks?|elements?|sections?|and|or)\b", re.IGNORECASE
)
_ELLIPSIS = re.compile(r"[\s.…,/|]*[.…,/|][\s.…,/|]*")
_UNFINISHED = re.compile(r"\W{0,2}\w{0,8}")


def quoted_both_sides(before: str, after: str) -> bool:
    """Whether the characters beside a tag are a pair of quotation marks."""
    return bool(before) and _CLOSING_QUOTE.get(before) == after


def is_quoted(position: TextPosition, rest: str, closes: tuple[str, ...], *, last: bool) -> bool | None:
    """Whether a tag at this position, with `rest` after it, is quoted; None: the end of its line has to come first.

    A quotation mark without a partner on its line quotes nothing.
    """
    before, open_quotes = position.last, position.open_quotes
    closing = _CLOSING_QUOTE.get(before, "")
    if closing and rest.startswith(closing):
        return True
    if not closing and not open_quotes:
        return False
    line, end, _ = rest.partition("\n")
    if any(quote in line for quote in open_quotes) or (
        closing and any(close + closing in line for close in closes)
    ):
        return True
    return False if end or last else None


def is_word(text: str, end: int, *, last: bool) -> Literal["surely", "perhaps", "no"] | None:
    """Whether what ends at `end` is a word of a sentence, by what follows it; None: more has to come first."""
    after = text[end : end + 2]
    if not last and (not after or after == " "):
        return None
    if after[:1] in _PUNCTUATION:
        return "surely"
    return "perhaps" if after[:1] in _IN_COMPOUND or (after[:1] == " " and after[1:].islower()) else "no"


def in_sentence(position: TextPosition, text: str, end: int, *, last: bool) -> bool | None:
    """Whether a tag may be a word of a sentence, by both its sides; None: more has to come first."""
    if not position.blank and position.last not in _BEFORE_A_WORD:
        return False
    if (verdict := is_word(text, end, last=last)) is None:
        return None
    return verdict != "no" or (not position.blank and (end == len(text) or text[end] in _AFTER_A_WORD))


def is_named(before: str, rest: str, *, last: bool) -> bool | None:
    """Whether words beside it call it a tag ("the <think> tag"); None: more has to come first."""
    if _WORD_BEFORE.search(before):
        return True
    if not last and _UNFINISHED.fullmatch(rest):
        return None
    return _WORD_AFTER.match(rest) is not None


def is_ellipsis(text: str) -> bool:
    """Whether dots stand between two tags, in place of a thought."""
    return _ELLIPSIS.fullmatch(text) is not None
