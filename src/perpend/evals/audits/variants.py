"""Variants of problems, with other numbers and names and known answers: a model that only remembers the originals does
worse on them.

GSM8K's solutions carry each calculation as `<<48/2=24>>`. Where every number in them comes from the question or from an
earlier result, the same calculations with other numbers give the new answer. The rules:

- All results are exact, whole and positive, and the last one is the gold.
- A number that may have come from elsewhere stays as it is: a small one, one that a word says too ("twice", "a week",
  "a dozen"), a decimal, fraction, percentage, date or time, and one that nothing is calculated with. Where a result is
  equal to a number of the question and used later, nobody can tell which is meant, and the problem can't be varied.
- New numbers lie between half and double of the old ones and are as round. All results are whole and positive again,
  and the last one isn't the old answer. What was more than something else still is, results among them: thirty guests
  don't get a second one of twenty hot dogs.

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
_WRITTEN = re.compile(r"\d[\d,]*(?:\.\d+)?")
_FREE = re.compile(
    r"(?<![\w.,:/-])(?:\d{1,3}(?:,\d{3})+|\d+)(?!\w|[%:/]|[.,]\d|-\d|\s*(?:%|/|percent|[ap]\.?m\b))"
)
"""A whole number that stands for itself."""
_SMALLEST = 6
"""Below it a number may be legs, sides, hands or working days too."""
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
    said: dict[str, list[str]]


class _Number(NamedTuple):
    """Of the question, and free to be another."""

    value: int


class _Result(NamedTuple):
    """Of an earlier calculation."""

    place: int


_Part = Token | _Number | _Result
"""A token is an operator, or a number that stays."""


class Chain(NamedTuple):
    """A problem's calculations."""

    calculations: list[tuple[_Part, ...]]
    free: list[int]
    """Numbers of the question that may be others, in their order."""
    kept: list[int]
    """Its other whole numbers."""

    def amounts(self, numbers: Mapping[int, int]) -> list[int] | None:
        """With these in place of the free ones: they, the kept ones, and what the calculations come to, the answer
        last. None where a result isn't whole and positive.
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
    """None where the problem can't be varied."""
    question = problem.messages[-1].text
    fixed = set(_fixed(question))
    written = {_whole(match[0]) for match in _FREE.finditer(question)}
    free = {number for number in written if number >= _SMALLEST and number not in fixed}
    calculations: list[tuple[_Part, ...]] = []
    results: list[Fraction] = []
    try:
        for expression, result in _ANNOTATION.findall(problem.solution or ""):
            of = tokens(expression)
            calculations.append(tuple(_traced(of, free, fixed | written, results, calculations)))
            results.append(Fraction(result.replace(",", "").strip()))
            if evaluate(of) != results[-1] or results[-1].denominator != 1 or results[-1] <= 0:
                return None
    except (NotArithmetic, ValueError):
        return None
    used = {part.value for calculation in calculations for part in calculation if isinstance(part, _Number)}
    if not used or str(results[-1]) != problem.gold:
        return None
    return Chain(calculations, sorted(used), sorted(written - used))


def variant(problem: Problem, seed: int) -> Problem | None:
    """The same id, other numbers and names. None where it can't be varied, or no other numbers were found.

    Seed 0 is the problem as it is, where it can be varied: what variants are compared with.
    """
    found = chain(problem)
    if found is None or seed == 0:
        return None if found is None else problem
    rng = Random(f"{seed} {problem.id}")
    old = found.amounts({number: number for number in found.free})
    assert old is not None
    ranks = [list(of) for _, of in groupby(sorted(range(len(old)), key=old.__getitem__), key=old.__getitem__)]
    for _ in range(_TRIES):
        numbers = {number: _near(number, rng) for number in found.free}
        new = found.amounts(numbers)
        if new is not None and _others(old, new, len(numbers)) and _ranked(ranks, new):
            return _with(problem, numbers, str(new[-1]), rng)
    return None


def _others(old: Sequence[int], new: Sequence[int], free: int) -> bool:
    """Each number is another one, and so is the answer."""
    pairs = list(zip(old, new, strict=True))
    return all(one != other for one, other in (*pairs[:free], pairs[-1]))


def _ranked(ranks: Sequence[Sequence[int]], new: Sequence[int]) -> bool:
    """What was more than something else still is."""
    return all(
        max(new[place] for place in less) < min(new[place] for place in more)
        for less, more in pairwise(ranks)
    )


def _traced(
    of: Sequence[Token],
    free: set[int],
    stated: set[Fraction | int],
    results: Sequence[Fraction],
    calculations: Sequence[tuple[_Part, ...]],
) -> Iterator[_Part]:
    """Each number's origin. Raises NotArithmetic where it has none, or may have two."""
    for token in of:
        if token.kind != "number":
            yield token
            continue
        value = Fraction(token.text.replace(",", ""))
        places = [place for place, result in enumerate(results) if result == value]
        if places:
            if value in stated or len({calculations[place] for place in places}) > 1:
                raise NotArithmetic
            yield _Result(places[-1])
        elif value in free:
            yield _Number(int(value))
        elif value in stated:
            yield token
        else:
            raise NotArithmetic


def _token(part: _Part, numbers: Mapping[int, int], results: Sequence[int]) -> Token:
    if isinstance(part, Token):
        return part
    return Token("number", str(results[part.place] if isinstance(part, _Result) else numbers[part.value]))


def _fixed(question: str) -> Iterator[Fraction]:
    """What a question says otherwise than as a whole number by itself."""
    free = {match.start() for match in _FREE.finditer(question)}
    for match in _WRITTEN.finditer(question):
        if match.start() not in free:
            value = Fraction(match[0].replace(",", "").rstrip("."))
            yield from (value, value / 100)
    for above, below in re.findall(r"(\d+)/(\d+)", question):
        if int(below):
            yield Fraction(int(above), int(below))
    lowered = question.casefold()
    for pattern, values in _words().said.items():
        if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", lowered):
            yield from map(Fraction, values)
    yield from map(Fraction, _counted(lowered))


def _counted(text: str) -> Iterator[int]:
    """Numbers in words."""
    for number, word in enumerate(_COUNTS, 1):
        if re.search(rf"\b{word}\b", text):
            yield number
    for number, tens in enumerate(_TENS, 2):
        for match in re.finditer(rf"\b{tens}(?:[ -]({'|'.join(_COUNTS[:9])}))?\b", text):
            yield 10 * number + (_COUNTS.index(match[1]) + 1 if match[1] else 0)
    for word, value in _GREAT.items():
        if word in text:
            yield value


def _near(number: int, rng: Random) -> int:
    step = next(step for step in _ROUND if number % step == 0 and number >= 2 * step)
    return rng.randrange(-(-max(number // 2, _SMALLEST) // step) * step, 2 * number + 1, step)


def _with(problem: Problem, numbers: Mapping[int, int], gold: str, rng: Random) -> Problem:
    def other(match: re.Match[str]) -> str:
        number = numbers.get(_whole(match[0]))
        if number is None:
            return match[0]
        return f"{number:,}" if "," in match[0] else str(number)

    *before, asked = problem.messages
    text = _renamed(_FREE.sub(other, asked.text), rng)
    assert problem.verifier is not None
    return replace(
        problem,
        messages=(*before, Message(asked.role, text)),
        verifier=VerifierSpec(problem.verifier.name, gold, problem.verifier.options),
        solution=None,
    )


def _renamed(text: str, rng: Random) -> str:
    for group in _words().names.values():
        there = [name for name in group if re.search(rf"\b{name}\b", text)]
        others = rng.sample([name for name in group if name not in there], len(there))
        pairs = dict(zip(there, others, strict=True))
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
