"""An expression that makes a number out of given ones, each used once: the game of 24 and countdown."""

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers
from perpend.verifiers.math_text import boxed

_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: Fraction.__truediv__,
}
_WRITTEN = {
    "×": "*",
    "·": "*",
    "÷": "/",
    "−": "-",
    r"\times": "*",
    r"\cdot": "*",
    r"\div": "/",
    "$": "",
    "`": "",
}
_NO_WORDS = re.compile(r"[\d+\-*/().\s]*\d[\d+\-*/().\s]*")
_MOST_CHARACTERS = 400


class Goal(Struct, frozen=True, forbid_unknown_fields=True):
    """The gold, as JSON."""

    numbers: tuple[int, ...]
    target: int


class Countdown(Verifier):
    """The gold is `{"numbers": […], "target": …}`. The expression is the last box, or the last line that is one."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        try:
            goal = msgspec.json.decode(task.right, type=Goal)
        except msgspec.DecodeError as error:
            raise BadRequest(f"the gold is no goal: {error}", field="verifier.gold") from None
        said = expression(candidate.answer)
        if said is None:
            return Verdict(0.0, False, "there is no expression: end with it alone on the last line")
        try:
            result, used = evaluated(said)
        except (ValueError, ZeroDivisionError) as error:
            return Verdict(0.0, False, f"{said} can't be computed: {error}")
        if sorted(used) != sorted(goal.numbers):
            return Verdict(0.0, False, f"{said} uses {sorted(used)}, not {sorted(goal.numbers)}")
        if result != goal.target:
            return Verdict(0.0, False, f"{said} is {result}, not {goal.target}")
        return PASSED

    async def same(self, first: str, second: str) -> bool:
        return (expression(first) or first.strip()) == (expression(second) or second.strip())


def expression(text: str) -> str | None:
    """Without what it's said to equal, and in the signs of a keyboard."""
    for place in (*boxed(text)[-1:], *reversed(text.strip().splitlines())):
        said = place.partition("=")[0].rpartition(":")[2]
        for written, sign in _WRITTEN.items():
            said = said.replace(written, sign)
        said = said.strip()
        if _NO_WORDS.fullmatch(said) and len(said) <= _MOST_CHARACTERS:
            return said
    return None


def evaluated(text: str) -> tuple[Fraction, list[int]]:
    """The value and the whole numbers in it. Raises ValueError, ZeroDivisionError."""
    try:
        return _evaluated(ast.parse(text, mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("it is no expression") from None


def _evaluated(node: ast.expr) -> tuple[Fraction, list[int]]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value), [node.value]
    if isinstance(node, ast.BinOp) and (operation := _OPERATORS.get(type(node.op))):
        (left, used), (right, more) = _evaluated(node.left), _evaluated(node.right)
        return operation(left, right), used + more
    raise ValueError("only whole numbers, + - * / and brackets count")


verifiers.register("countdown")(Countdown)
