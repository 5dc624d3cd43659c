"""Extracts the choice that a text makes: a letter from A to J."""

import re
from typing import NamedTuple

from perpend.verifiers.math_text import announced, boxed, settled
from perpend.verifiers.notation import keyboard

_MARKUP = re.compile(
    r"\\(?:text|math)(?:bf|it|rm)?\s?\{|\\[()\[\]]|[{}$`]|(?<![\w}])\*+|\*+(?![\w\\(])"
    r"|(?<![^\W_])_{1,2}(?=[^\W_])|(?<=[^\W_])_{1,2}(?!\w)"
)
"""Markup around a letter."""
_ALONE = re.compile(r"[\s\"'“]*(?:(?i:option|choice|answer)\s)?[(\[]?(?P<letter>[A-Ja-j])[\s)\].:,;!\"'”]*")
_LEADING = re.compile(
    r"\(?(?P<letter>(?!I, )[A-J](?=\)?(?:\s*$|\s*[).:,;\n]|[^\x00-\x7f]| (?:is|because|since|as)\b))"
    r"|[a-j](?= is (?:the )?(?:\w+ )?(?:correct|right|true|best|answer)\b))"
)
_OPTION = re.compile(r"(?:^|\s)\(?([A-J])[).:]\s")
"""The beginning of a question's choice."""
_LISTED = re.compile(r"\(?(?P<letter>[a-j])[).]\s[^\n]*")
"""A line that begins with its letter, as in a list of choices."""
_RIGHT = r"\)?\s(?:is|was|seems|must be)\s(?:the\s)?(?:\w+\s)?(?:correct|right|true|best|answer)\b"
_ENDS = r"(?=\W*$|\s?[).:,;]|\s(?:because|since|as)\b)"
_LONE = re.compile(rf"(?<![\w'’\\])(?:[b-hj](?![\w'’])|[ai](?![\w'’]){_ENDS})")
"""A lower-case letter that isn't a word."""
_FIRST = re.compile(
    rf"[\s:(\[\"'“]*(?:(?i:option|choice|letter)\s\(?)?(?P<letter>[B-HJ](?![A-Za-zÀ-ɏ0-9_'’])|[AI](?![\w'’]){_ENDS})"
)
"""What an announcement begins with; A and I before a word are words."""
_IN_WORD = r"[A-Za-zÀ-ɏ0-9_'^*=+]"
"""Makes a letter a part of a word or formula; a Chinese character doesn't."""
_NAMED = re.compile(
    r"(?i:option|choice|choose|pick|select|it['’]s|it is)(?:\s(?:is|was))?:?\s\(?"
    rf"(?P<told>[b-hj](?![\w'’])|[ai](?![\w'’]){_ENDS})"
    rf"|\b(?i:so|hence|thus|therefore),?\s\(?(?P<so>[a-j])(?![\w'’]){_ENDS}"
    rf"|(?<![A-Za-z'°])(?:(?P<upper>[A-J])(?!{_IN_WORD}| (?!(?:or|and|nor)\b)[a-z])|(?P<other>[B-HJ])(?!{_IN_WORD}))"
    r"|(?<![A-Za-z)])['‘](?P<quoted>[A-J])['’]"
    rf"|(?<![\w'’(])(?P<right>[b-hj])(?={_RIGHT})"
    r"|(?<![\w)]\()(?<=\()(?P<lower>[a-j])(?=\))|(?<=\s)(?P<closed>[a-j])(?=\)\W*$)"
)
_LIST = re.compile(r"[\s,()]*(?:(?:and|or|nor|&|/)[\s(]*)?(?:(?i:option|choice)s?[\s(]*)?")
_JOINT = re.compile(r"\b(?:and|or|nor)\b|[&/]")
_PLURAL = re.compile(r"[\s)]*(?:are|were|all|both|have|do|fail)\b")
_CHOSEN = re.compile(r"(?i:choose|pick|select|go with|leav\w+|must be|answer is)\s(?:option |choice )?\(?$")
_CORRECT = re.compile(_RIGHT)
"""With `_CHOSEN`: a letter beside this is chosen, not only mentioned."""
_ALL_BUT = re.compile(
    r"\b(?:(?P<none>no(?:ne|thing)?)|all|every\w*)\b[^.;:\n]*\b"
    r"(?:but|except|besides|other than|apart from)(?: for)?\s\(?$",
    re.IGNORECASE,
)
_NEAR_CHARS = 100
"""Before a letter, searched for what rules it out."""
_TURN = re.compile(
    r"[.;:!?\n,]|\b(?:but|so|thus|hence|therefore|leav\w+|instead(?! of)|it is|it['’]s)\b", re.IGNORECASE
)
"""Ends the reach of a negation."""
_NOT = re.compile(
    r"\b(?:not|never|cannot|neither|nor|except|exclud\w*|eliminat\w*|reject\w*|discard\w*|rul\w+ out"
    r"|(?:rather|other) than|instead of|wrong|incorrect)\b|n['’]t\b",
    re.IGNORECASE,
)
_WRONG = re.compile(
    r"[\s)\"'”]*(?:fails?\b|(?:is|are|was|were|ca|can|could|do|does|must|wo|would|has|have|seems?|looks?)(?:n['’]t\b|not\b|\s+not\b|"
    r"(?:\s+(?:clearly|also|both|all|simply|definitely|therefore|thus|be|been|to be|now)){0,3}\s+"
    r"(?:wrong|incorrect|false|out|impossible|eliminated|excluded|ruled out|invalid|rejected|discarded)\b))",
    re.IGNORECASE,
)


class _Mention(NamedTuple):
    """A letter that is named, and where."""

    letter: str
    start: int
    end: int
    weight: int
    """2: chosen or in brackets; 1: in upper case; 0: in lower case."""


def letter(text: str) -> str | None:
    """The letter that is boxed, alone, announced, leading, chosen or in brackets, or named last; None: there is none.

    Letters that the text rules out don't count.
    """
    text = keyboard(text).strip()
    last = settled(text)
    for part in (*(boxed(last)[-1:] or [last]), text):
        if found := _settled(_MARKUP.sub("", part).strip()):
            return found.upper()
    return None


def _settled(text: str) -> str | None:
    if alone := _ALONE.fullmatch(text):
        return alone["letter"]
    announcement = _LONE.sub(lambda match: match[0].upper(), announced(text) or "")
    first = _FIRST.match(announcement)
    if first and _stands(announcement, first):
        return first["letter"]
    return _leading(text) or next((one.letter for one in _standing(announcement)), None) or _last(text)


def _leading(text: str) -> str | None:
    match = _LEADING.match(text)
    if match is None or _OPTION.findall(text)[:2] == ["A", "B"]:
        return None
    return match["letter"] if _stands(text, match) else None


def _stands(text: str, first: re.Match[str]) -> bool:
    """Whether the letter that a text begins with is neither ruled out nor one of several."""
    several = any(one[0].start == first.start("letter") for one in _lists(text) if len(one) > 1)
    return not several and not _WRONG.match(text, first.end())


def _last(text: str) -> str | None:
    if listed := _LISTED.fullmatch(text):
        return listed["letter"]
    standing = _standing(text)
    return max(standing, key=lambda one: (one.weight, one.start)).letter if standing else None


def _standing(text: str) -> list[_Mention]:
    """The letters that are named alone and not ruled out; several in a list decide nothing."""
    return [
        some[0]
        for some in _lists(text)
        if len(some) == 1 and not _ruled_out(text, some[0].start, some[0].end)
    ]


def _lists(text: str) -> list[list[_Mention]]:
    """The letters that are named, each with those that it is listed with."""
    lists: list[list[_Mention]] = []
    for match in _NAMED.finditer(text):
        one = _mention(text, match)
        listed = bool(lists) and _LIST.fullmatch(text, lists[-1][-1].end, one.start)
        if listed and one.letter not in [other.letter for other in lists[-1]]:
            lists[-1].append(one)
        else:
            lists.append([one])
    return [one for some in lists for one in ([some] if _together(text, some) else [[one] for one in some])]


def _together(text: str, some: list[_Mention]) -> bool:
    """Whether letters are one list: joined by a word, or three of them; two with only a comma between aren't."""
    return len(some) > 2 or bool(
        _JOINT.search(text, some[0].end, some[-1].start) or _PLURAL.match(text, some[-1].end)
    )


def _mention(text: str, match: re.Match[str]) -> _Mention:
    kind = str(match.lastgroup)
    start, end = match.span(kind)
    if match[kind].islower():
        return _Mention(match[kind], start, end, 0)
    chosen = _CHOSEN.search(text[max(0, start - _NEAR_CHARS) : start]) or _CORRECT.match(text, end)
    return _Mention(
        match[kind], start, end, 2 if chosen or text[max(0, start - 1) : end + 1] == f"({match[kind]})" else 1
    )


def _ruled_out(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - _NEAR_CHARS) : start]
    wrong = bool(_WRONG.match(text, end))
    if but := _ALL_BUT.search(before):
        return not but["none"] and not wrong
    return wrong or bool(_NOT.search(_TURN.split(before)[-1]))
