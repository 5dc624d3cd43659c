"""Converts inequalities to intervals: x < 3 is (-\\infty,3)."""

import re
from typing import NamedTuple

_SPELLINGS = {
    **dict.fromkeys(("<", "\\lt"), "<"),
    **dict.fromkeys((">", "\\gt"), ">"),
    **dict.fromkeys(("<=", "=<", "\\le", "\\leq", "\\leqslant"), "<="),
    **dict.fromkeys((">=", "\\ge", "\\geq", "\\geqslant"), ">="),
    **dict.fromkeys(("!=", "\\ne", "\\neq"), "!="),
}
_SIGN = re.compile(r"(\\(?:leqslant|geqslant|leq?|geq?|neq?|lt|gt)(?![A-Za-z])|<=|>=|=<|!=|<|>)")
_VARIABLE = re.compile(r"[a-zA-Z](?:_\{?\w\}?)?|\\(?!infty|pi)[a-z]{2,7}")
_ABSOLUTE = re.compile(r"\|\s*(?P<name>[a-zA-Z])\s*\|")
_OR = re.compile(r"\\text\s?\{\s?or\s?\}|\bor\b|\\(?:lor|cup|vee)(?![a-z])")
_AND = re.compile(r"\\text\s?\{\s?and\s?\}|\band\b|\\(?:land|cap|wedge)(?![a-z])")
_REAL = r"\\in\s*(?:\\mathbb\s?\{?R\}?|R(?![A-Za-z]))"
_MEMBERS = re.compile(
    rf"(?:[A-Z]\s*=\s*)?\\?\{{\s*[a-zA-Z]\s*(?:{_REAL}\s*)?(?:\||:|\\mid|\\vert)(?P<so>(?:[^{{}}]|\{{[^{{}}]*\}})*?)\\?\}}"
)
_IS_REAL = re.compile(rf"(?:,|{_AND.pattern})?\s*[a-zA-Z]\s*{_REAL}\s*(?:,|{_AND.pattern})?")
_BRACKETED = re.compile(r"(?:[a-zA-Z]\s*\\in\s*)?[(\[][^\n]*,[^\n]*[)\]]")
_BETWEEN = re.compile(
    r"(?<![^\s$)\]\[(}])([(\[\]])\s*([^\s()\[\],;{}]{1,40})\s*[,;]\s*([^\s()\[\],;{}]{1,40})\s*([)\]\[])"
)
_SIDE = r"[^\s,;:<>=!$]{1,60}"
_INEQUALITY = re.compile(
    rf"{_SIDE}(?:\s?{_SIGN.pattern}\s?{_SIDE})+(?:\s(?:or|and)\s{_SIDE}(?:\s?{_SIGN.pattern}\s?{_SIDE})+)*"
)
_MAX_CHARS = 300


def last_inequality(text: str) -> str:
    """The last inequality in a sentence; "" where there is none."""
    found = [match[0] for match in _INEQUALITY.finditer(text)]
    return found[-1].rstrip(".") if found else ""


class _Bounds(NamedTuple):
    """The bounds of a variable."""

    name: str
    low: str = ""
    """The bound with its bracket; "": there is none."""
    high: str = ""
    beyond: bool = False
    """It is what lies outside the bounds."""


def normalize_brackets(text: str) -> str:
    """Intervals with a comma between their bounds, and ( for an outward bracket: ]1;2] becomes (1,2]."""
    return _BETWEEN.sub(
        lambda pair: f"{'[' if pair[1] == '[' else '('}{pair[2]},{pair[3]}{']' if pair[4] == ']' else ')'}",
        text,
    )


def is_interval(text: str) -> bool:
    """Whether the whole text is an interval, or the like in brackets."""
    text = text.strip().strip("$").strip()
    return len(text) <= _MAX_CHARS and not _SIGN.search(text) and bool(_BRACKETED.fullmatch(text))


def is_set_builder(text: str) -> bool:
    """Whether the whole text is a set in set-builder notation, {x | …}."""
    return len(text) <= _MAX_CHARS and bool(_MEMBERS.fullmatch(text.strip().strip("$").strip()))


def to_interval(text: str) -> str | None:
    """The interval, or union of some, that one or several inequalities mean; None where the text is anything else."""
    text = text.strip().strip("$").strip()
    if len(text) > _MAX_CHARS or not _SIGN.search(text):
        return None
    if members := _MEMBERS.fullmatch(text):
        text = _IS_REAL.sub(" ", members["so"]).replace(",", " and ")
    parts = [_joint_bounds(part) for part in _OR.split(text)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or len({part.name for part in known}) > 1:
        return None
    return r"\cup".join(_written(part) for part in known)


def _written(part: _Bounds) -> str:
    low, high = part.low or r"(-\infty", part.high or r"\infty)"
    if part.beyond:
        return rf"(-\infty,{high}\cup{low},\infty)"
    return f"{low},{high}"


def _joint_bounds(text: str) -> _Bounds | None:
    """The bounds of one inequality, or of two that bound one variable from both sides."""
    bounds = [_bounds(part) for part in _AND.split(text)]
    first = bounds[0]
    if len(bounds) == 1 or first is None:
        return first
    second = bounds[1]
    if len(bounds) > 2 or second is None or first.name != second.name or first.beyond or second.beyond:
        return None
    if (first.low and second.low) or (first.high and second.high):
        return None
    return first._replace(low=first.low or second.low, high=first.high or second.high)


def _bounds(text: str) -> _Bounds | None:
    pieces: list[str] = _SIGN.split(text)
    sides, signs = [side.strip() for side in pieces[::2]], [_SPELLINGS[sign] for sign in pieces[1::2]]
    if not all(sides) or any("=" in side for side in sides):
        return None
    if all(">" in sign for sign in signs):
        sides, signs = sides[::-1], [sign.replace(">", "<") for sign in signs[::-1]]
    if len(signs) == 2 and all("<" in sign for sign in signs) and _VARIABLE.fullmatch(sides[1]):
        return _Bounds(sides[1], _low(sides[0], signs[0]), _high(sides[2], signs[1]))
    return _single_bound(sides[0], sides[1], signs[0]) if len(signs) == 1 else None


def _single_bound(left: str, right: str, sign: str) -> _Bounds | None:
    """The bounds of a variable, or of its absolute value, on either side of one sign."""
    if absolute := _ABSOLUTE.fullmatch(left):
        return _Bounds(absolute["name"], _low(f"-{right}", sign), _high(right, sign)) if "<" in sign else None
    if absolute := _ABSOLUTE.fullmatch(right):  # |x| > 3
        return _Bounds(absolute["name"], _low(left, sign), _high(f"-{left}", sign), beyond=True)
    if _VARIABLE.fullmatch(left):
        return (
            _Bounds(left, _low(right, sign), _high(right, sign), True)
            if sign == "!="
            else _Bounds(left, high=_high(right, sign))
        )
    return _Bounds(right, low=_low(left, sign)) if _VARIABLE.fullmatch(right) and sign != "!=" else None


def _low(value: str, sign: str) -> str:
    return f"{'[' if sign == '<=' else '('}{value}"


def _high(value: str, sign: str) -> str:
    return f"{value}{']' if sign == '<=' else ')'}"
