"""A value written as a Python literal or as JSON, such as a grid or a list: compared by value, not by its text."""

import ast
import re
import warnings
from typing import Any

from perpend.errors import BadRequest
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import GOLD, Task, Verifier, verifiers
from perpend.verifiers.math_text import announced, boxed
from perpend.verifiers.notation import keyboard

_FENCED = re.compile(r"```\w*[^\S\n]*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[\[{(]")
_CLOSED_BY = {"[": "]", "{": "}", "(": ")"}
_MOST_CHARACTERS = 200_000
_MOST_BRACKETS = 200
"""Openings that are tried as the start of the last bracketed value, of a long text fewer."""
_MOST_READ = 4_000_000
"""Characters that are read in all of these."""


class Literal(Verifier):
    """The gold is a literal. The answer's is looked for where answers stand: see `value`."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        right = _gold(task.right)
        try:
            given = value(candidate.answer)
        except ValueError:
            return Verdict(0.0, False, "no value was found: end with it alone on the last line")
        return PASSED if given == right else Verdict(0.0, False, "the value is another one")

    async def check(self, task: Task) -> None:
        _gold(task.right)

    async def same(self, first: str, second: str) -> bool:
        try:
            return value(first) == value(second)
        except ValueError:
            return first.strip() == second.strip()


def _gold(text: str) -> Any:
    try:
        try:
            return _read(text)
        except ValueError:
            return _read(keyboard(text))
    except ValueError as error:
        raise BadRequest(f"the gold isn't a literal: {error}", field=GOLD) from None


def value(text: str) -> Any:
    """The text itself, else its last fence, box, `… == value`, "the answer is", last line, or last brackets.

    Raises ValueError where none of these is a literal.
    """
    text = text.strip()
    for place in (*_places(text), *_places(keyboard(text))):
        try:
            return _read(place)
        except ValueError:
            continue
    raise ValueError("no literal")


def _places(text: str) -> list[str]:
    last = text.rpartition("\n")[2]
    found = [text, *_FENCED.findall(text)[-1:], *boxed(text)[-1:]]
    if "==" in text:
        found.append(text.rpartition("==")[2].partition("\n")[0])
    if said := announced(text):
        found.append(said)
    return [*found, last, last.partition(":")[2], *_bracketed(text)]


def _bracketed(text: str) -> list[str]:
    """What ends at the last closing bracket, the longest first."""
    end = max(text.rfind(closing) for closing in _CLOSED_BY.values())
    starts = [m.start() for m in _OPENING.finditer(text, 0, max(end, 0)) if _CLOSED_BY[m[0]] == text[end]]
    most = min(_MOST_BRACKETS, _MOST_READ // (end + 1)) if starts else 0
    return [text[start : end + 1] for start in starts[-most:]]


def _read(text: str) -> Any:
    text = text.strip().strip("`").strip()
    if len(text) > _MOST_CHARACTERS:
        raise ValueError("too long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a model writes may have odd escapes
            return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)) from None


verifiers.register("literal")(Literal)
