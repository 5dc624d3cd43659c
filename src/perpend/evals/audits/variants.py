"""Variants of problems, with other numbers and names and known answers, on which a model that memorised the originals
does worse.

GSM8K's solutions annotate each calculation as `<<48/2=24>>`. Where every number in them comes from the question or from
an earlier result, the same calculations with other numbers give the new answer. The rules:

- All results are exact, whole and positive, and the last one is the gold.
- A number that may have another origin is kept: a small one, one that a word states too ("twice", "a week", "a dozen"),
  a decimal, fraction, percentage, date or time, and one that no calculation uses. Where a result that is used later
  equals a number of the question, its origin is ambiguous, and the problem can't be varied.
- New numbers lie between half and double of the old ones and are as round. All results are whole and positive again,
  and the last one isn't the old answer. The order of all numbers and results by size is kept.

After GSM-Symbolic (Mirzadeh et al. 2024, arXiv:2410.05229) and GSM-Plus (Li et al. 2024, arXiv:2402.19255), whose
templates people wrote or checked. These are made by rule alone: a question may read oddly with its new numbers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from importlib.resources import files
from itertools import groupby, pairwise
from random import Random
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perpend.evals.problems import Problem
from perpend.types import Message, VerifierSpec
from perpend.verifiers.arithmetic import NotArithmetic, Token, evaluate
from perpend.verifiers.arithmetic_claims import tokens

_ANNOTATION = re.compile(r"<<([^<>=]+)=([^<>]+)>>")
_ANY_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_WHOLE_NUMBER = re.compile(
    r"(?<![\w.,:/-])(?:\d{1,3}(?:,\d{3})+|\d+)(?!\w|[%:/]|[.,]\d|-\d|\s*(?:%|/|percent|[ap]\.?m\b))"
)
"""A whole number that isn't part of a date, time, fraction, decimal or percentage."""
_SMALLEST = 6
"""A smaller number may be a constant of the world, such as legs, sides or working days."""
_ROUND = (1000, 100, 10, 1)
_TRIES = 5000
_COUNTS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GREAT = {"hundred": 100, "thousand": 1000, "million": 1_000_000}


class _Words(Struct):
    """variants.toml."""

    names: dict[str, list[str]]
    phrases: dict[str, list[str]]


class _Number(NamedTuple):
    """A number of the question that may be changed."""

    value: int


class _Result(NamedTuple):
    """The result of an earlier calculation."""

    number: int
    """From 0, in the order of the solution."""


_Part = Token | _Number | _Result
"""A token is an operator, or a number that stays."""


class Chain(NamedTuple):
    """A problem's calculations."""

    calculations: list[tuple[_Part, ...]]
    free: list[int]
    """Numbers of the question that may be changed, in ascending order."""
    kept: list[int]
    """Its other whole numbers."""

    def amounts(self, numbers: Mapping[int, int]) -> list[int] | None:
        """The new numbers, the kept ones and the results with `numbers` in place of the free ones, the answer last.
        None where a result isn't whole and positive.
        """
        results: list[int] = []
        for calculation in self.calculations:
            try:
                value = evaluate([_token(part, numbers, results) for part in calculation])
            except NotArithmetic:
                return None
            if value.denominator != 1 or value <= 0:
                return None
            results.append(int(value))
        return [*(numbers[number] for number in self.free), *self.kept, *results]


def chain(problem: Problem) -> Chain | None:
    """The problem's calculations; None where it can't be varied."""
    question = problem.messages[-1].text
    fixed = set(_fixed_numbers(question))
    written = {_whole(match[0]) for match in _WHOLE_NUMBER.finditer(question)}
    free = {number for number in written if number >= _SMALLEST and number not in fixed}
    calculations: list[tuple[_Part, ...]] = []
    results: list[Fraction] = []
    try:
        for expression, result in _ANNOTATION.findall(problem.solution or ""):
            operands = tokens(expression)
            calculations.append(tuple(_trace_parts(operands, free, fixed | written, results, calculations)))
            results.append(Fraction(result.replace(",", "").strip()))
            if evaluate(operands) != results[-1] or results[-1].denominator != 1 or results[-1] <= 0:
                return None
    except (NotArithmetic, ValueError):
        return None
    used = {part.value for calculation in calculations for part in calculation if isinstance(part, _Number)}
    if not used or str(results[-1]) != problem.gold:
        return None
    return Chain(calculations, sorted(used), sorted(written - used))


def variant(problem: Problem, seed: int) -> Problem | None:
    """The problem with other numbers and names, and the same id. None where it can't be varied, or no other numbers
    were found.

    Seed 0 gives the original problem where it can be varied, as the baseline of its variants.
    """
    found = chain(problem)
    if found is None or seed == 0:
        return None if found is None else problem
    rng = Random(f"{seed} {problem.id}")
    old = found.amounts({number: number for number in found.free})
    assert old is not None
    ranks = [
        list(tied) for _, tied in groupby(sorted(range(len(old)), key=old.__getitem__), key=old.__getitem__)
    ]
    for _ in range(_TRIES):
        numbers = {number: _draw_near(number, rng) for number in found.free}
        new = found.amounts(numbers)
        if new is not None and _all_differ(old, new, len(numbers)) and _keeps_order(ranks, new):
            return _with_numbers(problem, numbers, str(new[-1]), rng)
    return None


def _all_differ(old: Sequence[int], new: Sequence[int], free: int) -> bool:
    """Whether every free number and the answer changed."""
    pairs = list(zip(old, new, strict=True))
    return all(before != after for before, after in (*pairs[:free], pairs[-1]))


def _keeps_order(ranks: Sequence[Sequence[int]], new: Sequence[int]) -> bool:
    """Whether all numbers have the same order by size as before."""
    return all(
        max(new[index] for index in less) < min(new[index] for index in more)
        for less, more in pairwise(ranks)
    )


def _trace_parts(
    operands: Sequence[Token],
    free: set[int],
    stated: set[Fraction | int],
    results: Sequence[Fraction],
    calculations: Sequence[tuple[_Part, ...]],
) -> Iterator[_Part]:
    """Find each number's origin. Raises NotArithmetic where there is none, or more than one."""
    for token in operands:
        if token.kind != "number":
            yield token
            continue
        value = Fraction(token.text.replace(",", ""))
        indices = [index for index, result in enumerate(results) if result == value]
        if indices:
            if value in stated or len({calculations[index] for index in indices}) > 1:
                raise NotArithmetic
            yield _Result(indices[-1])
        elif value in free:
            yield _Number(int(value))
        elif value in stated:
            yield token
        else:
            raise NotArithmetic


def _token(part: _Part, numbers: Mapping[int, int], results: Sequence[int]) -> Token:
    if isinstance(part, Token):
        return part
    return Token("number", str(results[part.number] if isinstance(part, _Result) else numbers[part.value]))


def _fixed_numbers(question: str) -> Iterator[Fraction]:
    """Numbers that the question states in another form than a whole number: they are kept."""
    free = {match.start() for match in _WHOLE_NUMBER.finditer(question)}
    for match in _ANY_NUMBER.finditer(question):
        if match.start() not in free:
            value = Fraction(match[0].replace(",", "").rstrip("."))
            yield from (value, value / 100)
    for above, below in re.findall(r"(\d+)/(\d+)", question):
        if int(below):
            yield Fraction(int(above), int(below))
    lowered = question.casefold()
    for pattern, values in _words().phrases.items():
        if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", lowered):
            yield from map(Fraction, values)
    yield from map(Fraction, _number_words(lowered))


def _number_words(text: str) -> Iterator[int]:
    """Numbers that are written in words."""
    for number, word in enumerate(_COUNTS, 1):
        if re.search(rf"\b{word}\b", text):
            yield number
    for number, tens in enumerate(_TENS, 2):
        for match in re.finditer(rf"\b{tens}(?:[ -]({'|'.join(_COUNTS[:9])}))?\b", text):
            yield 10 * number + (_COUNTS.index(match[1]) + 1 if match[1] else 0)
    for word, value in _GREAT.items():
        if word in text:
            yield value


def _draw_near(number: int, rng: Random) -> int:
    step = next(step for step in _ROUND if number % step == 0 and number >= 2 * step)
    return rng.randrange(-(-max(number // 2, _SMALLEST) // step) * step, 2 * number + 1, step)


def _with_numbers(problem: Problem, numbers: Mapping[int, int], gold: str, rng: Random) -> Problem:
    def replacement(match: re.Match[str]) -> str:
        number = numbers.get(_whole(match[0]))
        if number is None:
            return match[0]
        return f"{number:,}" if "," in match[0] else str(number)

    *before, question = problem.messages
    text = _renamed(_WHOLE_NUMBER.sub(replacement, question.text), rng)
    assert problem.verifier is not None
    return replace(
        problem,
        messages=(*before, Message(question.role, text)),
        verifier=VerifierSpec(problem.verifier.name, gold, problem.verifier.options),
        solution=None,
    )


def _renamed(text: str, rng: Random) -> str:
    for group in _words().names.values():
        present = [name for name in group if re.search(rf"\b{name}\b", text)]
        others = rng.sample([name for name in group if name not in present], len(present))
        pairs = dict(zip(present, others, strict=True))
        if pairs:
            text = re.sub(rf"\b(?:{'|'.join(pairs)})\b", lambda match, pairs=pairs: pairs[match[0]], text)
    return text


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


@cache
def _words() -> _Words:
    return msgspec.toml.decode(
        files("perpend.evals.audits").joinpath("variants.toml").read_bytes(), type=_Words
    )
