# pyright: basic, reportMissingImports=false
# SymPy has no types
"""Whether two mathematical answers are equal, by math-verify and SymPy: runs in a worker process.

`equal(gold, given)` isn't symmetric: the gold is an answer alone, `given` may be a whole solution. The parent process
bounds the time, since SymPy can't be interrupted from inside.
"""

import re
from fractions import Fraction
from itertools import accumulate, permutations, product
from typing import Any, cast

from math_verify import parse, verify  # pyright: ignore[reportMissingTypeStubs]
from sympy import Basic, Eq, Expr, I, MatrixBase, N, Poly, cancel

from perpend.types import PASSED, Verdict
from perpend.verifiers import intervals, matrices, number_bases, numbers
from perpend.verifiers.choices import letter
from perpend.verifiers.math_text import (
    affirmed,
    announced,
    boxed,
    last_formula,
    last_number,
    money,
    plain,
    settled,
    split_outside_brackets,
    unassigned,
    unitless,
    value,
)
from perpend.verifiers.notation import latex

_NO_LIMIT: Any = None
"""math-verify's own time-outs use signals; the parent process bounds the time instead."""
_TOWER = re.compile(
    r"(?:\^|\*\*)\s*(?:\{[^{}]*\^|\([^()]*(?:\^|\*\*)|\w+\s*(?:\^|\*\*)|[{(]?\s*-?\d{5,})|\d{5,}\s*!|!\s*!"
)
"""Powers of powers and powers too large to compute: these are compared as text alone."""
_MAX_CHARS = 20_000
_MAX_DEPTH = 100
_JOINED = re.compile(
    r"(?:\\q?quad|\s|,)*(?:\\text(?:rm)?\s*\{\s*(?:and|or)\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-z]))(?:\\q?quad|\s)*"
)
"""Words between the elements of a list."""
_DECIMAL = re.compile(r"\d\.(\d+)")
_MIN_PLACES = 3
"""Of a decimal inside an expression that may be the rounding of an exact value."""
_MAX_LIST_CHARS = 200
"""Characters above which "and" is a word of a sentence."""
_NAME = re.compile(r"\s*(?:[^\W\d_]+ )*\$?([a-zA-Z]|\\[a-z]+)(?:_\{?\w\}?)?\s*=")
_WORDS = re.compile(r"\\text\s?\{([^{}]*)\}")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_OUTER = {"(": ")", "[": "]", "{": "}"}
_List = tuple[str, list[list[str]]]
"""The bracket around a list, "" for none, and each way to split its elements."""


def check(gold: str, given: str) -> Verdict:
    """The verdict on an answer."""
    try:
        same = equal(gold, given)
    except Exception:  # SymPy raises nearly everything
        same = False
    return PASSED if same else Verdict(0.0, False, "the final answer is wrong")


def equal(gold: str, given: str) -> bool:
    """Whether a solution's answer equals the gold. May raise any error of SymPy's."""
    gold, given = _gold(latex(gold)), affirmed(latex(given))
    if re.fullmatch(r"[A-J]", gold):
        return letter(given) == gold
    found, elements = _answers(given), _split(gold)
    if any(_of_other_kinds(elements, _split(answer)) for answer in found):
        return False  # its other readings would be parts of it
    answers = [(answer, _plainly_same(gold, answer)) for answer in found]
    # SymPy, which is slow, only where nothing else decides
    return any(same for _, same in answers) or any(
        _mathematically_same(gold, answer) for answer, same in answers if same is None
    )


def _gold(text: str) -> str:
    return unitless(plain(", ".join(boxed(settled(text))) or text.strip().strip("$")))


def _answers(text: str) -> list[str]:
    """The candidates for the text's answer, surest first; math-verify searches the whole text too."""
    if last := settled(text):
        return _variants(", ".join(dict.fromkeys(boxed(last))), last)
    announcement = announced(text)
    for whole in (value(announcement), announcement, text):
        if whole and numbers.number(unassigned(plain(whole))):
            return [plain(whole)]
    return _variants(announcement, text, last_number(text), last_formula(text), money(announcement or ""))


def _variants(*found: str | None) -> list[str]:
    """Each once, in plain notation, with its unit and without."""
    answers = [plain(one) for one in found if one]
    return list(dict.fromkeys((*answers, *map(unitless, answers))))


def _same(gold: str, given: str) -> bool:
    same = _plainly_same(gold, given)
    return _mathematically_same(gold, given) if same is None else same


def _plainly_same(gold: str, given: str) -> bool | None:
    """Whether they are equal as text or as exact numbers; None where that doesn't decide."""
    if _tidy(gold) == _tidy(given):
        return True
    if _too_large(gold) or _too_large(given):
        return False
    first, second = number_bases.parse_based(unassigned(gold)), number_bases.parse_based(unassigned(given))
    if first or second:
        return number_bases.same(first, second, (gold, given))
    one, other = numbers.number(gold), numbers.number(given)
    return None if one is None or other is None else numbers.equal(one, other)


def _mathematically_same(gold: str, given: str) -> bool:
    gold, given = number_bases.to_decimals(gold), number_bases.to_decimals(given)
    if (pair := _equations(gold, given)) is not None:
        return _proportional(*pair)
    if (rows := matrices.cells(gold, given)) is not None and _same_cells(*rows):
        return True
    gold, given = _as_intervals(gold, given)
    lists = _split(gold), _split(given)
    if _of_other_kinds(*lists) or (_of_other_lengths(*lists) and not _WORD.search(given)):
        return False
    return _verified(gold, given) or _elementwise(*lists) or _rounded(gold, given)


def _same_cells(first: matrices.Rows, second: matrices.Rows) -> bool:
    if list(map(len, first)) != list(map(len, second)):
        return False
    cells = zip(first, second, strict=True)
    return all(_same(a, b) for row, other in cells for a, b in zip(row, other, strict=True))


def _as_intervals(gold: str, given: str) -> tuple[str, str]:
    """Both as intervals, where one is an interval or a set-builder and the other may be an inequality."""
    gold, given = intervals.normalize_brackets(gold), intervals.normalize_brackets(given)
    if intervals.is_interval(gold):
        return gold, intervals.to_interval(given) or intervals.to_interval(
            intervals.last_inequality(given)
        ) or given
    if intervals.is_interval(given) or intervals.is_set_builder(gold) or intervals.is_set_builder(given):
        return intervals.to_interval(gold) or gold, intervals.to_interval(given) or given
    return gold, given


def _tidy(text: str) -> str:
    text = unassigned(text.replace("$", "").strip())
    words = _WORDS.fullmatch(text)
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)|\\[,;!:]|\\ ", "", words[1] if words else text)


def _too_large(text: str) -> bool:
    return (
        len(text) > _MAX_CHARS
        or _depth(text) > _MAX_DEPTH
        or any(_TOWER.search(part) for part in boxed(text) or [text])
    )


def _depth(text: str) -> int:
    """How deep brackets are nested; the parser is slow on deep ones."""
    return max(_depths(text), default=0)


def _depths(text: str) -> list[int]:
    """The depth after each character."""
    return list(accumulate((character in "([{") - (character in ")]}") for character in text))


def _parsed(text: str) -> list[Any]:
    """Parsed as LaTeX; as plain text where that gives no mathematics."""
    as_math = text if re.search(r"\$|\\boxed|\\[(\[]", text) else f"${text}$"
    found: list[Any] = parse(as_math, parsing_timeout=_NO_LIMIT)
    if not any(isinstance(one, Basic | MatrixBase) for one in found):
        found = parse(text, parsing_timeout=_NO_LIMIT) or found
    return [_imaginary(one) for one in found]


def _imaginary(found: Any) -> Any:
    """With `i` as the imaginary unit. Both sides get it, so an index of that name does no harm."""
    if not isinstance(found, Basic | MatrixBase):
        return found
    units = {symbol: I for symbol in found.free_symbols if str(symbol) == "i"}
    return found.subs(units) if units else found


def _verified(gold: str, given: str) -> bool:
    try:
        return verify(_parsed(gold), _parsed(given), timeout_seconds=_NO_LIMIT)
    except Exception:  # SymPy raises nearly everything
        return False


def _expression(text: str) -> Basic | None:
    try:
        found = _parsed(text)
    except Exception:
        return None
    return next((one for one in found if isinstance(one, Basic)), None)


def _equations(gold: str, given: str) -> tuple[Basic, Basic] | None:
    """Left side less right side of both equations, where they have several variables: multiples then mean the same."""
    if gold.count("=") != 1 or given.count("=") != 1:
        return None
    first, second = _expression(gold), _expression(given)
    if not isinstance(first, Eq) or not isinstance(second, Eq):
        return None
    sides = first.lhs, first.rhs, second.lhs, second.rhs
    if not all(isinstance(side, Expr) for side in sides):
        return None
    left, right = cast("Any", first.lhs) - first.rhs, cast("Any", second.lhs) - second.rhs
    return (left, right) if len(left.free_symbols) > 1 and len(right.free_symbols) > 1 else None


def _proportional(first: Any, second: Any) -> bool:
    try:
        ratio: Any = cancel(first / second)
        return bool(ratio.is_number and ratio.is_finite and ratio != 0)
    except Exception:
        return False


def _split(text: str) -> _List:
    """The elements of a list: split at commas and semicolons, or at semicolons alone.

    "p = 5, q = 2 and p = 7, q = 2" are two solutions, though "1, 2 and 3" are three.
    """
    text = unassigned(text).strip().strip("$").replace("\\{", "{").replace("\\}", "}").strip()
    bracket = ""
    if text[:1] in _OUTER and text.endswith(_OUTER[text[0]]) and 0 not in _depths(text)[:-1]:
        bracket, text = text[0], text[1:-1]
    if len(text) <= _MAX_LIST_CHARS:
        text = _JOINED.sub(";", text)
    solutions = [split_outside_brackets(text, ";")] if ";" in text else []
    return bracket, solutions if solutions and "=" in text else [
        split_outside_brackets(text, ",;"),
        *solutions,
    ]


def _of_other_lengths(gold: _List, given: _List) -> bool:
    """Whether two lists differ in length: math-verify takes some of these for equal."""
    lengths = [{len(parts) for parts in readings} for _, readings in (gold, given)]
    return min(map(min, lengths)) > 1 and not lengths[0] & lengths[1]


def _of_other_kinds(gold: _List, given: _List) -> bool:
    """Whether one is a set and the other a tuple or an interval: math-verify takes them for equal."""
    brackets = {gold[0], given[0]}
    several = min(map(len, (*gold[1], *given[1]))) > 1
    return several and "{" in brackets and bool(brackets & {"(", "["})


def _elementwise(gold: _List, given: _List) -> bool:
    (bracket, firsts), (other, seconds) = gold, given
    ordered = "(" in (bracket, other) or "[" in (bracket, other) or any(map(_named, (*firsts, *seconds)))
    if ordered and bracket and other and bracket != other:
        return False
    return any(
        len(first) == len(second) and 2 <= len(first) <= 6 and _all_same(first, second, ordered=ordered)
        for first, second in product(map(_by_name, firsts), map(_by_name, seconds))
    )


def _named(parts: list[str]) -> list[str]:
    """The elements' names where each has its own, so that their order doesn't matter; else empty."""
    names = [match[1] for match in map(_NAME.match, parts) if match]
    return names if len(set(names)) == len(parts) > 1 else []


def _by_name(parts: list[str]) -> list[str]:
    names = _named(parts)
    return [part for _, part in sorted(zip(names, parts, strict=True))] if names else parts


def _all_same(first: list[str], second: list[str], *, ordered: bool) -> bool:
    orders = [tuple(second)] if ordered else list(permutations(second))[:120]
    return any(
        all(_same(a.strip(), b.strip()) for a, b in zip(first, order, strict=True)) for order in orders
    )


def _rounded(gold: str, given: str) -> bool:
    """Whether one is a decimal and the rounding of the other; also with decimals inside an expression."""
    for exact, decimal in ((gold, given), (given, gold)):
        shown = numbers.number(unassigned(decimal))
        if shown is None and (places := _places(decimal)) and not _places(exact):
            return _near(_expression(exact), _expression(decimal), places)
        if shown is None or shown.decimals is None:
            continue
        found: Any = _expression(exact)
        if found is None or found.free_symbols or not found.is_real:
            continue
        if numbers.rounds_to(Fraction(str(N(found, 30))), shown):
            return True
    return False


def _places(text: str) -> int | None:
    """The decimal places of the shortest decimal in an expression; None: too few for a rounding."""
    decimals = _DECIMAL.findall(text)
    shortest = min(map(len, decimals), default=0)
    return shortest if shortest >= _MIN_PLACES else None


def _near(exact: Any, decimal: Any, places: int) -> bool:
    """Whether two polynomials are equal but for the rounding of coefficients."""
    try:
        symbols = sorted(exact.free_symbols | decimal.free_symbols, key=str)
        differences = Poly(exact - decimal, *symbols).coeffs() if symbols else [exact - decimal]
        return all(abs(complex(N(one))) <= 0.5 * 10**-places for one in differences)
    except Exception:
        return False
