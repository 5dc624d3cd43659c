"""Parses numbers that name their base: 1010_2, FF_{16}, 1010_{\\text{two}}, 1010 in base 2, 0b1010."""

import re
from fractions import Fraction
from typing import NamedTuple

_NAMED = {
    **{"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10},
    **{"eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16},
    **{"binary": 2, "ternary": 3, "octal": 8, "decimal": 10, "hexadecimal": 16, "hex": 16},
}
_BASE = rf"(?P<base>[1-3]?\d|{'|'.join(_NAMED)})"
_DIGITS = r"(?P<sign>-?)\(?(?P<digits>(?:\d[\dA-Za-z]*|[A-F][\dA-F]*)(?:\.[\dA-Za-z]+)?)\)?"
_LITERAL = re.compile(
    r"(?<![\w.\\}])"
    + _DIGITS
    + r"\s?_\s?(?:\{?\s?\(?\s?(?:\\(?:text|mathrm)\s?\{\s?)?(?:base[\s-]?)?"
    + _BASE
    + r"\s?\}?\s?\)?\s?\}|(?P<bare>[2-9](?!\d)|[1-3]\d))(?![\w(^])"
)
_IN_WORDS = re.compile(
    _DIGITS + rf"\s?\(?\s?(?:in\s)?(?:base[\s-]?{_BASE}|(?P<named>{'|'.join(list(_NAMED)[15:])}))\s?\)?"
)
_PREFIXED = re.compile(r"(?P<sign>-?)0(?P<base>[bBoOxX])(?P<digits>[\dA-Fa-f]+)")
_BY_LETTER = {"b": 2, "o": 8, "x": 16}
_MAX_CHARS = 400


class BasedNumber(NamedTuple):
    """A number in a named base."""

    digits: str
    value: Fraction


def parse_based(text: str) -> BasedNumber | None:
    """The number that the whole text is; None where it isn't one that names its base."""
    text = text.strip().strip("$").strip()
    if len(text) > _MAX_CHARS:
        return None
    if match := _PREFIXED.fullmatch(text):
        return _read(match["sign"], match["digits"], _BY_LETTER[match["base"].lower()])
    match = _LITERAL.fullmatch(text) or _IN_WORDS.fullmatch(text)
    return None if match is None else _from_match(match)


def to_decimals(text: str) -> str:
    """An expression with each such number replaced by its decimal value."""

    def value(match: re.Match[str]) -> str:
        found = _from_match(match)
        return match[0] if found is None else str(found.value)

    return _LITERAL.sub(value, text)


def same(gold: BasedNumber | None, given: BasedNumber | None, texts: tuple[str, str]) -> bool:
    """Whether two answers agree, of which at least one names a base. Bare digits are in the base that the other names;
    a bare gold may be decimal too.
    """
    if gold is not None and given is not None:
        return gold.value == given.value
    if gold is not None:
        return _bare(texts[1]) == gold.digits
    assert given is not None
    return _bare(texts[0]) in (given.digits, str(given.value))


def _bare(text: str) -> str:
    return re.sub(r"[\s$]", "", text).upper()


def _from_match(match: re.Match[str]) -> BasedNumber | None:
    groups = match.groupdict()
    name = groups.get("base") or groups.get("bare") or groups.get("named") or ""
    return _read(groups["sign"], groups["digits"], _NAMED.get(name) or int(name))


def _read(sign: str, digits: str, base: int) -> BasedNumber | None:
    """None where the base isn't from 2 to 36, or a digit doesn't belong to it."""
    if not 2 <= base <= 36:
        return None
    whole, _, part = digits.partition(".")
    try:
        value = Fraction(int(whole + part, base), base ** len(part))
    except ValueError:
        return None
    return BasedNumber(sign + digits.upper(), -value if sign else value)
