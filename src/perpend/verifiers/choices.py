"""The choice that a text settles on: a letter from A to J."""

import re
from typing import NamedTuple

from perpend.verifiers.math_text import announced, boxed
from perpend.verifiers.notation import keyboard

_DRESS = re.compile(r"\\(?:text|math)(?:bf|it|rm)?\s?\{|\\[()\[\]]|[{}$`]|(?<![\w}])\*+|\*+(?![\w\\(])")
"""What only sets how a letter looks."""
_ALONE = re.compile(r"[\s\"'“]*(?:(?i:option|choice|answer)\s)?[(\[]?(?P<letter>[A-Ja-j])[\s)\].:,;!\"'”]*")
_LEADING = re.compile(r"\(?(?P<letter>[A-J])\)?(?=\s*$|\s*[).:,;\n]|[^\x00-\x7f]| is\b)")
_LISTED = re.compile(r"\(?(?P<letter>[a-j])[).]\s[^\n]*")
"""A line that begins with its letter, as in a list of choices."""
_ENDS = r"(?=\W*$|\s?[).:,;]|\s(?:because|since|as)\b)"
_LONE = re.compile(rf"(?<![\w'’\\])(?:[b-hj](?![\w'’])|[ai](?![\w'’]){_ENDS})")
"""A letter in lower case that is no word."""
_FIRST = re.compile(
    rf"[\s:(\[\"'“]*(?:(?i:option|choice|letter)\s\(?)?(?P<letter>[B-HJ](?![\w'’])|[AI](?![\w'’]){_ENDS})"
)
"""What an announcement begins with; A and I before a word are words."""
_NAMED = re.compile(
    rf"(?i:option|choice|choose|pick|select)(?:\s(?:is|was))?:?\s\(?(?P<told>[b-hj](?![\w'’])|[ai](?![\w'’]){_ENDS})"
    r"|(?<![A-Za-z'])(?:(?P<upper>[A-J])(?![\w'^*=+]| [a-z])|(?P<other>[B-HJ])(?![\w'^*=+]))"
    r"|(?<![\w)]\()(?<=\()(?P<lower>[a-j])(?=\))"
)
_LIST = re.compile(r"[\s,()]*(?:(?:and|or|nor|&|/)[\s(]*)?(?:(?i:option|choice)s?[\s(]*)?")
_NEAR = 100
"""Characters before a letter in which it may be ruled out."""
_TURN = re.compile(
    r"[.;:!?\n,]|\b(?:but|so|thus|hence|therefore|leav\w+|instead(?! of)|it is|it['’]s)\b", re.IGNORECASE
)
"""What a negation doesn't reach beyond."""
_NOT = re.compile(
    r"\b(?:not|never|cannot|neither|nor|except|exclud\w*|eliminat\w*|reject\w*|discard\w*|rul\w+ out"
    r"|(?:rather|other) than|instead of|wrong|incorrect)\b|n['’]t\b",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"[\s)\"'”]*(?:(?:is|are|was|were|can|could|do|does|must|would|seems?|looks?)(?:n['’]t\b|not\b|\s+not\b|"
    r"(?:\s+(?:clearly|also|both|all|simply|definitely|therefore|thus|be|to be|now)){0,3}\s+"
    r"(?:wrong|incorrect|false|out|impossible|eliminated|excluded|ruled out|invalid|rejected|discarded)\b))",
    re.IGNORECASE,
)


class _Mention(NamedTuple):
    letter: str
    start: int
    end: int
    weight: int
    """In brackets, plain, or in lower case."""


def letter(text: str) -> str | None:
    """Boxed, alone, leading, announced, in brackets, or the last one that is named; none that is only ruled out."""
    text = keyboard(text).strip()
    for part in (*boxed(text)[-1:], text):
        place = _DRESS.sub("", part).strip()
        alone = _ALONE.fullmatch(place)
        if found := alone["letter"] if alone else _leading(place) or _announced(place) or _last(place):
            return found.upper()
    return None


def _leading(text: str) -> str | None:
    match = _LEADING.match(text)
    return match["letter"] if match and not _WRONG.match(text, match.end()) else None


def _announced(text: str) -> str | None:
    said = announced(text)
    if said is None:
        return None
    said = _LONE.sub(lambda match: match[0].upper(), said)
    first = _FIRST.match(said)
    if first and not _WRONG.match(said, first.end()):
        return first["letter"]
    return next((one.letter for one in _standing(said)), None)


def _last(text: str) -> str | None:
    if listed := _LISTED.fullmatch(text):
        return listed["letter"]
    standing = _standing(text)
    return max(standing, key=lambda one: (one.weight, one.start)).letter if standing else None


def _standing(text: str) -> list[_Mention]:
    """What is named and not ruled out; of letters in a list, all are or none is."""
    lists: list[list[_Mention]] = []
    for match in _NAMED.finditer(text):
        kind = str(match.lastgroup)
        start, end = match.span(kind)
        weight = 0 if match[kind].islower() else 1 + (text[max(0, start - 1) : end + 1] == f"({match[kind]})")
        one = _Mention(match[kind], start, end, weight)
        if lists and _LIST.fullmatch(text, lists[-1][-1].end, start):
            lists[-1].append(one)
        else:
            lists.append([one])
    return [one for some in lists if not _ruled_out(text, some[0].start, some[-1].end) for one in some]


def _ruled_out(text: str, start: int, end: int) -> bool:
    clause = _TURN.split(text[max(0, start - _NEAR) : start])[-1]
    return bool(_NOT.search(clause) or _WRONG.match(text, end))
