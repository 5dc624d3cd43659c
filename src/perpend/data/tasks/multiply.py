"""Multiplication by one digit on paper, from the right, with carries. Difficulty: digits of the number.

Multiply 482 by 7.      2*7=14 / 8*7+1=57 / 4*7+5=33      3374
"""

import random
import re

from perpend.data.error_injection import ErrorInjector
from perpend.data.tasks.contract import Kind, Work, kinds


def make(rng: random.Random, difficulty: int) -> str:
    number = rng.randint(10 ** (difficulty - 1), 10**difficulty - 1)
    return f"Multiply {number} by {rng.randint(2, 9)}."


def work(text: str, errors: ErrorInjector) -> Work:
    number, factor = re.findall(r"\d+", text)
    carry = 0
    digits = ""
    lines: list[str] = []
    for digit in reversed(number):
        column = errors.number(int(digit) * int(factor) + carry)
        lines.append(f"{digit}*{factor}{f'+{carry}' if carry else ''}={column}")
        carry = column // 10
        digits = str(column % 10) + digits
    return Work(lines, (str(carry) if carry else "") + digits)


kinds.register("multiply")(Kind(make, work, taught=range(2, 6), levels=range(2, 9)))
