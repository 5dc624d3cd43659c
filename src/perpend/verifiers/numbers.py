"""Parses numbers as people write them, exactly: 3, -0.5, .5, 1/3, 1 1/2, 33.5 %, 10 cm, also in LaTeX."""

import re
from fractions import Fraction
from typing import NamedTuple

_DECIMAL = r"(?:\d+\.?\d*|\.\d+)"
_DIGITS = r"(?:\{{(?P<{0}>-?{1})\}}|(?P<{0}1>\d))"
_FRAC = rf"\\frac\s*{_DIGITS.format('a', _DECIMAL)}\s*{_DIGITS.format('b', _DECIMAL)}"
_SLASH = rf"(?P<c>{_DECIMAL})\s*/\s*(?:(?P<d>{_DECIMAL})|\(\s*(?P<d2>-\s*{_DECIMAL})\s*\))"
_POWER = r"(?:(?:\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*[{(]?\s*|[eE])(?P<power>[+-]?\d{1,3})\s*[})]?)"
_SQUARED = r"(?:\^\{?-?[123]\}?)?"
_SYMBOL = (
    r"(?:(?:[kMGTcdmnp]|\\mu\s?)?(?:m|g|s|A|K|mol|J|N|W|V|Pa|Hz|C|F|T|L|l|eV|Wh|\\Omega)|min|h|ft|in|mi|yd|lb|oz)"
    rf"{_SQUARED}(?![A-Za-z])"
)
_RATIO = rf"{_SYMBOL}(?:(?:\s?/\s?|\s?\\cdot\s{{1,2}}|\s){_SYMBOL})"
UNIT = (
    rf"(?:\s*\\(?:text|textbf|mathrm|rm)\s*\{{[^{{}}]*\}}{_SQUARED}|\s*\^\s*\{{?\\circ\}}?(?:\s?[CF])?"
    rf"|\s+[a-zA-Z][a-zA-Z ]+{_SQUARED}|\s+{_RATIO}+|\s+m\^\{{?[23]\}}?)"
)
_MANY = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?:(?P<whole>\d+)\s*)?{_FRAC}|(?:(?P<whole2>\d+)\s+)?{_SLASH}"
    rf"|(?P<number>{_DECIMAL})(?:{_POWER}(?:\s+{_SYMBOL})?|\s(?P<many>{'|'.join(_MANY)})\b)?)(?P<percent>\s*\\%)?{UNIT}?"
)
_CURRENCY = re.compile(
    r"^(?:(?:US|AU|CA)?\\?[$€£¥₹]|[~≈]|\\approx(?![a-zA-Z]))\s?(?=[-+\d.\\])|(?<=\d)\s?\\?[$€£¥₹¢]$"
)
"""A currency sign, or one for "about"."""
_EUROPEAN = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3})+,\d{1,2}(?![\d.,])")
"""Points between groups and a comma before the decimals, which is unambiguous."""
_GROUPED = re.compile(
    r"(?<![\w.,])(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:['’_ ]\d{3})+)"
    r"(?![\d,'’_]|\s?[/.]\s?\d{3})(?!\s*/)"
)
"""Digits in groups, as various countries separate them."""
_MAX_CHARS = 400
_CLOSE = Fraction(1, 10_000)
_ROUNDED_DIGITS = 3
"""Significant digits that a decimal needs to count as the rounding of an exact number."""


class Number(NamedTuple):
    """A number and how it was written."""

    value: Fraction
    decimals: int | None
    """Decimal places of a decimal; None: the number is written exactly."""
    percent: bool


def number(text: str) -> Number | None:
    """The number that the whole text is, with or without a unit; None where it is anything else."""
    text = text.strip().strip("$").strip()
    while text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1].strip()
    if len(text) > _MAX_CHARS:
        return None
    text = _CURRENCY.sub("", text)
    text = _EUROPEAN.sub(lambda decimal: decimal[0].replace(".", "").replace(",", "."), text)
    match = _NUMBER.fullmatch(_GROUPED.sub(lambda grouped: re.sub(r"\D", "", grouped[0]), text))
    if match is None:
        return None
    try:
        value, decimals = _value(match)
    except ZeroDivisionError:
        return None
    percent = match["percent"] is not None
    value = -value if match["sign"] == "-" else value
    return Number(value / 100 if percent else value, decimals, percent)


def _value(match: re.Match[str]) -> tuple[Fraction, int | None]:
    if plain := match["number"]:
        power = int(match["power"] or 0) + _MANY.get(match["many"], 0)
        decimals = len(plain.partition(".")[2]) if "." in plain else None
        return Fraction(plain) * Fraction(10) ** power, None if decimals is None else decimals - power
    whole = Fraction(match["whole"] or match["whole2"] or 0)
    above = match["a"] or match["a1"] or match["c"]
    below = match["b"] or match["b1"] or match["d"] or match["d2"].replace(" ", "")
    return whole + Fraction(above) / Fraction(below), None


def equal(gold: Number, given: Number) -> bool:
    """Whether they are equal, to the decimal places shown; a percentage may lack its sign."""
    if _near(gold, given):
        return True
    if gold.percent == given.percent:
        return False
    return _near(_bare(gold), _bare(given))


def _bare(one: Number) -> Number:
    return one._replace(value=one.value * 100, percent=False) if one.percent else one


def _near(gold: Number, given: Number) -> bool:
    if gold.value == given.value:
        return True
    if gold.decimals is None and given.decimals is None:
        return False
    if abs(gold.value - given.value) <= _CLOSE * abs(gold.value):
        return True
    return given.decimals is not None and rounds_to(gold.value, given)


def rounds_to(exact: Fraction, decimal: Number) -> bool:
    """Whether the decimal is that number, rounded to the digits that it shows."""
    places = decimal.decimals
    if places is None or places < 1 or _significant(decimal.value, places) < _ROUNDED_DIGITS:
        return False
    return abs(exact - decimal.value) * 2 <= Fraction(1, 10**places)


def _significant(value: Fraction, places: int) -> int:
    return len(str(abs(int(value * 10**places))).lstrip("0"))
