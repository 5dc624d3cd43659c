"""A chain of operations of which only the last digit is kept. Difficulty: operations.

Start at 7: +5 *3 -4. Last digit?      7+5=2 / 2*3=6 / 6-4=2      2
"""

import random
import re

from perpend.data.error_injection import ErrorInjector
from perpend.data.tasks.contract import Kind, Work, kinds


def make(rng: random.Random, difficulty: int) -> str:
    steps = [
        f"{(sign := rng.choice('+-*'))}{rng.randint(2 if sign == '*' else 1, 9)}" for _ in range(difficulty)
    ]
    return f"Start at {rng.randint(0, 9)}: {' '.join(steps)}. Last digit?"


def work(text: str, errors: ErrorInjector) -> Work:
    value = int(text.removeprefix("Start at ")[0])
    lines: list[str] = []
    for sign, operand in re.findall(r"([+*-])(\d)", text):
        by = int(operand)
        result = value + by if sign == "+" else value - by if sign == "-" else value * by
        result = errors.digit(result % 10)
        lines.append(f"{value}{sign}{by}={result}")
        value = result
    return Work(lines, str(value))


kinds.register("chain")(Kind(make, work, taught=range(2, 9), levels=range(2, 15)))
