"""Checks an expression that makes a target from given numbers, each used once: countdown, the game of 24."""

import re
from fractions import Fraction

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, BadRequest
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.arithmetic import NotArithmetic, Token, evaluate, normalize_operators
from perpend.verifiers.contract import GOLD, Task, Verifier, verifiers
from perpend.verifiers.math_text import boxed

_EXPRESSION = re.compile(r"(?=\D*\d)[\d+\-*/()\s]+")
_TOKEN = re.compile(r"\d+|[-+*/()]")


class Goal(Struct, frozen=True, forbid_unknown_fields=True):
    """The gold, as JSON."""

    numbers: tuple[int, ...]
    target: int


class Countdown(Verifier):
    """The gold is `{"numbers": […], "target": …}`. The expression is the last box, or the last line that is one."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        goal = _goal(task.required_gold)
        found = expression(candidate.answer)
        if found is None:
            return Verdict(0.0, False, "there is no expression: end with it alone on the last line")
        try:
            result, used = evaluated(found)
        except NotArithmetic:
            return Verdict(0.0, False, f"{found} can't be computed")
        if sorted(used) != sorted(goal.numbers):
            return Verdict(0.0, False, f"{found} uses {sorted(used)}, not {sorted(goal.numbers)}")
        if result != goal.target:
            return Verdict(0.0, False, f"{found} is {result}, not {goal.target}")
        return PASSED

    async def check(self, task: Task) -> None:
        _goal(task.required_gold)

    async def same(self, first: str, second: str) -> bool:
        return (expression(first) or first.strip()) == (expression(second) or second.strip())


def _goal(gold: str) -> Goal:
    try:
        return msgspec.json.decode(gold, type=Goal)
    except UNREADABLE as error:
        raise BadRequest(f"the gold is no goal: {error}", field=GOLD) from None


def expression(text: str) -> str | None:
    """The expression in the last box, or on the last line that is one, without its right side; None: there is none."""
    for part in (*boxed(text)[-1:], *reversed(text.strip().splitlines())):
        side = normalize_operators(part).partition("=")[0].rpartition(":")[2].strip(" `.")
        if _EXPRESSION.fullmatch(side):
            return side
    return None


def evaluated(text: str) -> tuple[Fraction, list[int]]:
    """The value and the numbers in it. Raises NotArithmetic."""
    tokens = [Token("number" if part.isdigit() else part, part) for part in _TOKEN.findall(text)]
    return evaluate(tokens), [int(token.text) for token in tokens if token.kind == "number"]


verifiers.register("countdown")(Countdown)
