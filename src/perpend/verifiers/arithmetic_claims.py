"""Recomputes the equations that a text claims, such as "17 * 23 = 391". Needs no gold."""

import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.arithmetic import NotArithmetic, Token, evaluate, normalize_operators
from perpend.verifiers.contract import Task, Verifier, verifiers

_MAX_CHARS = 200_000
_TOKEN = re.compile(
    r"(?P<of>(?<=%)\s+of\b)|(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<relation>==?|≈)"
    r"|(?P<operator>\\frac|\\sqrt|!(?!=)|[-+*/^(){}%])|(?P<word>\\?[^\W\d_]+|[<>!]=|.)",
    re.DOTALL,
)
_BEFORE = re.compile(r"(?:^|[\s\"“‘'(\[{;→<>—=≈]|(?<!\d):)$")
"""What may stand directly before an equation: nothing that would be a part of it."""
_VARIABLE = re.compile(r"(?:^|[^A-Za-z])(?![aAI])[A-Za-z]\s*$")
_AFTER = re.compile(
    r"[A-Za-z](?![A-Za-z])|[_^\\']|[,:]\d|\s*(?![aI]\b)[A-Za-z](?![A-Za-z])|\s*\(?\\?[pb]?mod\b|\s*\?"
    r"|\s*units\s*\d|,?\s*(?:with )?(?:a )?remainder"
)
"""What mustn't follow an equation: a variable, an index, a modulus, a question mark, a remainder."""
_BINARY = frozenset(("+", "-", "*", "/", "^", "!", "of", "\\frac", "\\sqrt"))
_NEAR_CHARS = 16
"""Before an equation, searched for what it may be a part of."""
_DECIMAL = re.compile(r"-?\s*\d*(?:\.(?P<decimals>\d+))?\s*(?P<percent>%)?")
_APPROXIMATE = Fraction(1, 100)
"""The relative error that ≈ allows."""
_FLOAT = Fraction(1, 10**9)
"""The relative error of floating point: 14.999999999999998 is 15."""
_WRITTEN_BITS = 200
"""Larger numbers are shown by their first digits."""
_MAX_NAMED = 3
"""Wrong equations that feedback names."""


class Side(NamedTuple):
    """One side of an equation: numbers and operators alone."""

    tokens: tuple[Token, ...]
    text: str


class Claim(NamedTuple):
    """An equation of numbers."""

    left: Side
    right: Side
    approximate: bool
    """The relation is ≈."""

    @property
    def text(self) -> str:
        return f"{self.left.text} {'≈' if self.approximate else '='} {self.right.text}"

    @property
    def expression(self) -> Side:
        """The side with operators; the other one is the claimed value."""
        return self.left if _calculates(self.left) else self.right


class ArithmeticClaims(Verifier):
    """Checks the equations in the thinking and the answer; the score is the share that is right, 1 if none.

    Of several claims about one expression the last one counts, since thinking may correct itself.
    """

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        checked: dict[str, str | None] = {}
        for claim in claims(f"{candidate.thinking}\n\n{candidate.answer}"):
            try:
                checked[re.sub(r"\s", "", claim.expression.text)] = correction(claim)
            except NotArithmetic:
                continue
        wrong = [found for found in checked.values() if found is not None]
        if not wrong:
            return PASSED
        more = f"; and {len(wrong) - _MAX_NAMED} more" if len(wrong) > _MAX_NAMED else ""
        return Verdict(1 - len(wrong) / len(checked), False, "; ".join(wrong[:_MAX_NAMED]) + more)


def correction(claim: Claim) -> str | None:
    """What is wrong with a claim; None where it's right or correctly rounded. Raises NotArithmetic."""
    left, right = evaluate(claim.left.tokens), evaluate(claim.right.tokens)
    difference = abs(left - right)
    near = difference <= abs(left) * (_APPROXIMATE if claim.approximate else _FLOAT) and (
        claim.approximate or difference < 1
    )
    pairs = (left, claim.right), (right, claim.left)
    if near or any(
        _rounds(exact, side, claim.approximate) or _percentage(exact, side) for exact, side in pairs
    ):
        return None
    value, given = (left, claim.right) if claim.expression is claim.left else (right, claim.left)
    return f"{claim.expression.text} is {_written(value)}, not {given.text}"


def _rounds(exact: Fraction, side: Side, approximate: bool) -> bool:
    """Whether the side is one number, with the digits of the exact value, rounded or cut off."""
    match = _DECIMAL.fullmatch(side.text)
    if match is None or not (match["decimals"] or approximate):
        return False
    unit = Fraction(1, 10 ** (len(match["decimals"] or "") + 2 * bool(match["percent"])))
    shown = evaluate(side.tokens)
    cut_off = exact * shown >= 0 and 0 <= abs(exact) - abs(shown) < unit
    return cut_off or abs(exact - shown) <= unit / 2


def _percentage(exact: Fraction, side: Side) -> bool:
    """Whether the side is right but for a percent sign: people write 0.25 * 100 = 25 %."""
    return side.tokens[-1].kind == "%" and evaluate(side.tokens[:-1]) == exact


def _calculates(side: Side) -> bool:
    return any(token.kind in _BINARY for token in side.tokens[1:]) or side.tokens[0].kind in (
        "\\frac",
        "\\sqrt",
    )


def _written(value: Fraction) -> str:
    decimal = Decimal(value.numerator) / Decimal(value.denominator)
    if value.numerator.bit_length() + value.denominator.bit_length() > _WRITTEN_BITS:
        return f"about {decimal:.6g}"
    if value.denominator == 1:
        return str(value)
    return f"{decimal.normalize():f}" if Fraction(decimal) == value else f"{value} ({decimal:.6g})"


def claims(text: str) -> Iterator[Claim]:
    """The claims of a text, in their order. Equations with anything but numbers in them are left out."""
    text = normalize_operators(text[:_MAX_CHARS])
    for run in _runs(text):
        sides, relations = _sides(text, run)
        for (left, right), relation in zip(pairwise(sides), relations, strict=True):
            if left and right and (_calculates(left) or _calculates(right)):
                yield Claim(left, right, relation == "≈")


def tokens(text: str) -> list[Token]:
    """The tokens of a text that is one expression. Raises NotArithmetic where it is anything else."""
    runs = list(_runs(text))
    if len(runs) != 1 or any(placed.token.kind == "relation" for placed in runs[0]):
        raise NotArithmetic
    return [placed.token for placed in runs[0]]


class _Placed(NamedTuple):
    """A token and its place in the text."""

    token: Token
    start: int
    end: int


def _runs(text: str) -> Iterator[list[_Placed]]:
    """Runs of numbers, operators and relations with nothing else between them."""
    run: list[_Placed] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "space" and ("\n" not in match[0] or text[match.end() : match.end() + 1] in ("=", "≈")):
            continue
        if kind in ("word", "space"):
            if run:
                yield run
            run = []
        else:
            run.append(_Placed(Token(match[0] if kind == "operator" else str(kind), match[0]), *match.span()))
    if run:
        yield run


def _sides(text: str, run: list[_Placed]) -> tuple[list[Side | None], list[str]]:
    """The sides of a run's relations, and the relations; a side is None where it's a part of something else."""
    sides: list[list[_Placed]] = [[]]
    relations: list[str] = []
    for placed in run:
        if placed.token.kind == "relation":
            relations.append(placed.token.text)
            sides.append([])
        else:
            sides[-1].append(placed)
    last = len(sides) - 1
    whole = [_balanced(side, first=at == 0, last=at == last) for at, side in enumerate(sides)]
    return [_standalone(text, side) for side in whole], relations


def _balanced(side: list[_Placed], *, first: bool, last: bool) -> list[_Placed]:
    """The side without a bracket around the whole equation, as in "(3 + 4 = 7)"; empty where brackets don't match."""
    opened: list[int] = []
    for index, placed in enumerate(side):
        if placed.token.kind in ("(", "{"):
            opened.append(index)
        elif placed.token.kind in (")", "}"):
            if not opened:
                return side[:index] if last else []
            opened.pop()
    if not opened:
        return side
    return side[opened[-1] + 1 :] if first else []


def _standalone(text: str, side: list[_Placed]) -> Side | None:
    if not side:
        return None
    start, end = side[0].start, side[-1].end
    before = text[max(0, start - _NEAR_CHARS) : start]
    touched = not _BEFORE.search(before) or _VARIABLE.search(before)
    negative = side[0].token.kind == "-" and re.search(r"[\w)]\s*$", before)
    if touched or negative or _AFTER.match(text, end):
        return None
    return Side(tuple(placed.token for placed in side), text[start:end])


verifiers.register("numbers")(ArithmeticClaims)
