"""Evaluates arithmetic in plain text or LaTeX exactly: fractions, no floats, no `eval`.

Large powers and factorials and deep nesting are refused, so hostile text costs nothing.
"""

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from perpend.verifiers.notation import keyboard

_MAX_BITS = 20_000
_MAX_DIGITS = 300
_MAX_TOKENS = 200
_MAX_DEPTH = 40
_MAX_FACTORIAL = 500
_CLOSING = {"(": ")", "{": "}"}


class Token(NamedTuple):
    """A number, an operator or a bracket."""

    kind: str
    """`number`, or the operator itself."""
    text: str


class NotArithmetic(Exception):
    """The text isn't an expression of numbers alone, or its value is too large."""


def evaluate(tokens: Sequence[Token]) -> Fraction:
    """The value of an expression. Raises NotArithmetic."""
    if len(tokens) > _MAX_TOKENS:
        raise NotArithmetic
    parser = _Parser(tokens)
    value = parser.sum()
    if parser.next is not None:
        raise NotArithmetic
    return value


class _Parser:
    """A recursive-descent parser that evaluates as it goes; an implied `*` is read before a bracket or a root only."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = self._depth = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else None

    def _take(self, *kinds: str) -> str | None:
        """Consume the next token if its kind is one of these; returns the kind."""
        if (kind := self.next) in kinds:
            self._at += 1
            return kind
        return None

    def sum(self) -> Fraction:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotArithmetic
        value = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            value = _bounded(value + other if sign == "+" else value - other)
        self._depth -= 1
        return value

    def _product(self) -> Fraction:
        value, divided = self._signed(), False
        while True:
            sign = self._take("*", "/", "of")
            if sign is None and self.next in ("(", "\\sqrt") and not divided:  # 6/2(1+2) has no one meaning
                sign = "*"
            if sign is None:
                return value
            value = _divided(value, self._signed()) if sign == "/" else _bounded(value * self._signed())
            divided = divided or sign == "/"

    def _signed(self) -> Fraction:
        negative = False
        while self._take("-"):
            negative = not negative
        value = self._power()
        return -value if negative else value

    def _power(self) -> Fraction:
        base = self._marked()
        return base if self._take("^") is None else _raised(base, self._exponent())

    def _exponent(self) -> Fraction:
        negative = self._take("-") is not None
        value = self._marked()
        if self.next == "^":  # towers of powers are refused
            raise NotArithmetic
        return -value if negative else value

    def _marked(self) -> Fraction:
        value = self._atom()
        while mark := self._take("!", "%"):
            value = value / 100 if mark == "%" else _factorial(value)
        return value

    def _atom(self) -> Fraction:
        if self.next == "number":
            text = self._tokens[self._at].text
            self._at += 1
            if len(text) > _MAX_DIGITS:
                raise NotArithmetic
            return Fraction(text)
        if self._take("\\frac"):
            return _divided(self._group("{"), self._group("{"))
        if self._take("\\sqrt"):
            return _root(self._group("{", "("))
        return self._group("(", "{")

    def _group(self, *openings: str) -> Fraction:
        opened = self._take(*openings)
        if opened is None:
            raise NotArithmetic
        value = self.sum()
        if self._take(_CLOSING[opened]) is None:
            raise NotArithmetic
        return value


def _bounded(value: Fraction) -> Fraction:
    if _bits(value) > _MAX_BITS:
        raise NotArithmetic
    return value


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length()


def _divided(above: Fraction, below: Fraction) -> Fraction:
    if not below:
        raise NotArithmetic
    return _bounded(above / below)


def _raised(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or _bits(base) * abs(exponent) > _MAX_BITS or (not base and exponent < 0):
        raise NotArithmetic
    return base ** int(exponent)


def _factorial(value: Fraction) -> Fraction:
    if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL:
        raise NotArithmetic
    return Fraction(math.factorial(int(value)))


def _root(value: Fraction) -> Fraction:
    """The exact root of a square; others are refused."""
    if value < 0:
        raise NotArithmetic
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    if root * root != value:
        raise NotArithmetic
    return root


_PLAIN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?m)^[ \t]{0,16}(?:[-*+•]|\d{1,3}[.)])[ \t]+"), "\n"),  # bullets and numbers of lists
    (re.compile(r"\\(?:left|right|boxed|displaystyle)(?![A-Za-z])|[&$]|\\[$]"), ""),
    (re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s*\{[^{}]*\}"), " units "),
    (re.compile(r"\\(?:cdot|times)(?![A-Za-z])|[×·⋅∙]"), "*"),
    (re.compile(r"\\div(?![A-Za-z])|÷"), "/"),
    (re.compile(r"\\(?:approx|simeq)(?![A-Za-z])"), "≈"),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\\\"), "\n"),
    (re.compile(r"\\[,;:! ()\[\]]|~"), " "),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), ","),
    (re.compile(r"(?<=\d)\s*[xX]\s*(?=\d)"), "*"),
    # two asterisks are a power between numbers, and bold print elsewhere
    (re.compile(r"(?<=[\d)])\s?\*\*\s?(?=[\d(])"), "^"),
    (re.compile(r"\*\*"), ""),
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d)")


def normalize_operators(text: str) -> str:
    """The text with one spelling for each operator, and without markup."""
    text = keyboard(text)
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    return _THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
