"""Whether a tag is spoken of, by what stands around it: signs of quotation, or the sentence that it is a word of."""

import re
from typing import Literal

from perpend.families.text_position import TextPosition

_TO_ITS_END = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "*": "*", "_": "_"}
_IN_A_SENTENCE = frozenset(".,;:?!)")
_IN_A_WORD = frozenset("-'’/")
_AFTER_A_WORD = frozenset(" \t\n|)")
_BEFORE_A_WORD = frozenset(" \t(|")
_LEADS = re.compile(
    r"\b(an?|the|this|that|each|every|open(ing)?|clos(e|ing)|with|in|between|inside|by|from|of|to|and|or)[ \t(]*$",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(r"\W{0,2}(tags?|tokens?|markers?|blocks?|elements?|sections?|and|or)\b", re.IGNORECASE)
_NOTHING = re.compile(r"[\s.…,/|]*[.…,/|][\s.…,/|]*")
_UNFINISHED = re.compile(r"\W{0,2}\w{0,8}")


def quoted_both_sides(before: str, after: str) -> bool:
    return bool(before) and _TO_ITS_END.get(before) == after


def quotation(place: TextPosition, rest: str, closes: tuple[str, ...], *, last: bool) -> bool | None:
    """A tag at this place, with `rest` after it, is quoted. None: the end of its line has to come first.

    A sign that stays alone on its line quotes nothing.
    """
    before, signs = place.last, place.open_quotes
    ends = _TO_ITS_END.get(before, "")
    if ends and rest.startswith(ends):
        return True
    if not ends and not signs:
        return False
    line, end, _ = rest.partition("\n")
    if any(sign in line for sign in signs) or (ends and any(close + ends in line for close in closes)):
        return True
    return False if end or last else None


def word(text: str, end: int, *, last: bool) -> Literal["surely", "perhaps", "no"] | None:
    """What ends there is a word of a sentence, by what follows it. None: more has to come first."""
    after = text[end : end + 2]
    if not last and (not after or after == " "):
        return None
    if after[:1] in _IN_A_SENTENCE:
        return "surely"
    return "perhaps" if after[:1] in _IN_A_WORD or (after[:1] == " " and after[1:].islower()) else "no"


def in_sentence(place: TextPosition, text: str, end: int, *, last: bool) -> bool | None:
    """It may be a word there, by what stands on both sides. None: more has to come first."""
    if not place.blank and place.last not in _BEFORE_A_WORD:
        return False
    if (said := word(text, end, last=last)) is None:
        return None
    return said != "no" or (not place.blank and (end == len(text) or text[end] in _AFTER_A_WORD))


def named(before: str, rest: str, *, last: bool) -> bool | None:
    """The words beside it say that it's a tag. None: more has to come first."""
    if _LEADS.search(before):
        return True
    if not last and _UNFINISHED.fullmatch(rest):
        return None
    return _FOLLOWS.match(rest) is not None


def spoken_between(text: str) -> bool:
    """What stands between two tags is no thought: dots, in the place of one."""
    return _NOTHING.fullmatch(text) is not None
