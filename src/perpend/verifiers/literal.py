"""Compares Python or JSON literals, such as grids and lists, by value."""

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
_MAX_CHARS = 200_000
_MAX_OPENINGS = 200
"""Opening brackets that are tried as the start of the last bracketed value; in a long text fewer."""
_MAX_TRIED_CHARS = 4_000_000
"""Of all these attempts together."""


class Literal(Verifier):
    """The gold is a literal; the answer's is extracted by `literal_value`."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        right = _gold(task.required_gold)
        try:
            given = literal_value(candidate.answer)
        except ValueError:
            return Verdict(0.0, False, "no value was found: end with it alone on the last line")
        return PASSED if given == right else Verdict(0.0, False, "the value is another one")

    async def check(self, task: Task) -> None:
        _gold(task.required_gold)

    async def same(self, first: str, second: str) -> bool:
        try:
            return literal_value(first) == literal_value(second)
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


def literal_value(text: str) -> Any:
    """The first literal among: the text, its last fence, last box, what follows `==` or "the answer is", its last line,
    its last brackets. Raises ValueError where none of these is one.
    """
    text = text.strip()
    for part in (*_candidates(text), *_candidates(keyboard(text))):
        try:
            return _read(part)
        except ValueError:
            continue
    raise ValueError("no literal")


def _candidates(text: str) -> list[str]:
    last = text.rpartition("\n")[2]
    found = [text, *_FENCED.findall(text)[-1:], *boxed(text)[-1:]]
    if "==" in text:
        found.append(text.rpartition("==")[2].partition("\n")[0])
    if announcement := announced(text):
        found.append(announcement)
    return [*found, last, last.partition(":")[2], *_bracketed(text)]


def _bracketed(text: str) -> list[str]:
    """The texts that end at the last closing bracket, longest first."""
    end = max(text.rfind(closing) for closing in _CLOSED_BY.values())
    starts = [m.start() for m in _OPENING.finditer(text, 0, max(end, 0)) if _CLOSED_BY[m[0]] == text[end]]
    most = min(_MAX_OPENINGS, _MAX_TRIED_CHARS // (end + 1)) if starts else 0
    return [text[start : end + 1] for start in starts[-most:]]


def _read(text: str) -> Any:
    text = text.strip().strip("`").strip()
    if len(text) > _MAX_CHARS:
        raise ValueError("too long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # answers may hold invalid escapes
            return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)) from None


verifiers.register("literal")(Literal)
