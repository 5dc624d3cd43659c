"""Linear equations with a whole solution, solved by undoing from the outside. Difficulty: things to undo.

Solve 3(2x+4)-5=37.      37+5=42 / 42/3=14 / 14-4=10 / 10/2=5      5
"""

import random
import re

from perpend.data.error_injection import ErrorInjector
from perpend.data.tasks.contract import Kind, Work, kinds

_MOST = 400
"""No value on the way is larger."""


def make(rng: random.Random, difficulty: int) -> str:
    value = rng.randint(1, 12)
    left = "x"
    last = ""
    for _ in range(difficulty):
        by = rng.randint(2, 9)
        # a product after a product, or a term after a term, would be one step in disguise
        if last != "*" and value * by <= _MOST and (last or rng.random() < 0.5):
            left, value, last = f"{by}{left}" if left == "x" else f"{by}({left})", value * by, "*"
        elif value > by and rng.random() < 0.5:
            left, value, last = f"{left}-{by}", value - by, "-"
        else:
            left, value, last = f"{left}+{by}", value + by, "+"
    return f"Solve {left}={value}."


def work(text: str, errors: ErrorInjector) -> Work:
    left, right = text.removeprefix("Solve ").removesuffix(".").split("=")
    value = int(right)
    lines: list[str] = []
    while left != "x":
        if term := re.fullmatch(r"(.*)([+-])(\d)", left):
            left, sign, by = term[1], "-" if term[2] == "+" else "+", int(term[3])
            result = value - by if sign == "-" else value + by
        else:
            by, sign, left = int(left[0]), "/", left[1:].removeprefix("(").removesuffix(")")
            result = value // by
        result = errors.number(result)
        lines.append(f"{value}{sign}{by}={result}")
        value = result
    return Work(lines, str(value))


kinds.register("equation")(Kind(make, work, taught=range(2, 6), levels=range(2, 9)))
