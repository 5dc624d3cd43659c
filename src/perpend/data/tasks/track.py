"""Keeping track of a row of letters whose places are swapped. Difficulty: swaps.

Row dbaec. Swap 13 24. Row?      13 abdec / 24 aedbc      aedbc
"""

import random
import re

from perpend.data.error_injection import ErrorInjector
from perpend.data.tasks.contract import Kind, Work, kinds

_PLACES = 5


def make(rng: random.Random, difficulty: int) -> str:
    row = rng.sample("abcde", _PLACES)
    swaps = ["".join(map(str, sorted(rng.sample(range(1, _PLACES + 1), 2)))) for _ in range(difficulty)]
    return f"Row {''.join(row)}. Swap {' '.join(swaps)}. Row?"


def work(text: str, errors: ErrorInjector) -> Work:
    row = list(text.removeprefix("Row ")[:_PLACES])
    lines: list[str] = []
    for first, second in re.findall(r"(\d)(\d)", text):
        i, j = int(first) - 1, int(second) - 1
        # an error takes a neighbour for the second place
        taken = errors.one_of(j, [place for place in (j - 1, j + 1) if 0 <= place < _PLACES and place != i])
        row[i], row[taken] = row[taken], row[i]
        lines.append(f"{first}{second} {''.join(row)}")
    return Work(lines, "".join(row))


kinds.register("track")(Kind(make, work, taught=range(2, 7), levels=range(2, 11)))
