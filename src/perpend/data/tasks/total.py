"""A sum of integers with a running total. Difficulty: numbers in it.

Compute 17+25-8.      17+25=42 / 42-8=34      34
"""

import random
import re

from perpend.data.error_injection import ErrorInjector
from perpend.data.tasks.contract import Kind, Work, kinds

_MOST = 99


def make(rng: random.Random, difficulty: int) -> str:
    value = rng.randint(1, 29)
    text = str(value)
    for _ in range(difficulty - 1):
        by = rng.randint(1, 29)
        adding = value + by <= _MOST and (rng.random() < 0.5 or value < by)
        value += by if adding else -by
        text += f"{'+' if adding else '-'}{by}"
    return f"Compute {text}."


def work(text: str, errors: ErrorInjector) -> Work:
    first, *rest = re.findall(r"[+-]?\d+", text)
    value = int(first)
    lines: list[str] = []
    for term in rest:
        result = errors.number(value + int(term))
        lines.append(f"{value}{term}={result}")
        value = result
    return Work(lines, str(value))


kinds.register("total")(Kind(make, work, taught=range(2, 7), levels=range(2, 11)))
