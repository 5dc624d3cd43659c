"""Addition on paper, column by column from the right. Difficulty: digits of both numbers.

Add 482 and 377.      2+7=9 / 8+7=15 / 4+3+1=8      859
"""

import random
import re

from perpend.data.error_injection import ErrorInjector
from perpend.data.tasks.contract import Kind, Work, kinds


def make(rng: random.Random, difficulty: int) -> str:
    low, high = 10 ** (difficulty - 1), 10**difficulty - 1
    return f"Add {rng.randint(low, high)} and {rng.randint(low, high)}."


def work(text: str, errors: ErrorInjector) -> Work:
    first, second = re.findall(r"\d+", text)
    carry = 0
    digits = ""
    lines: list[str] = []
    for a, b in zip(reversed(first), reversed(second), strict=True):
        column = errors.number(int(a) + int(b) + carry)
        lines.append(f"{a}+{b}{'+1' if carry else ''}={column}")
        carry = int(column > 9)
        digits = str(column % 10) + digits
    return Work(lines, ("1" if carry else "") + digits)


kinds.register("add")(Kind(make, work, taught=range(2, 7), levels=range(2, 11)))
