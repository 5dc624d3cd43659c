"""Splits a solution into steps: paragraphs, else lines, else sentences."""

import re
from itertools import pairwise

_SPLITS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\\$(])"))
_MIN_CHARS = 12
"""A shorter piece, such as a lone heading or formula, belongs to the step after it."""


def steps(text: str, most: int) -> list[str]:
    """The steps in their order; of more than `most`, neighbours are joined."""
    pieces: list[str] = []
    for split in _SPLITS:
        pieces = _joined([piece.strip() for piece in split.split(text) if piece.strip()])
        if len(pieces) > 1:
            break
    if len(pieces) <= most:
        return pieces
    bounds = [round(number * len(pieces) / most) for number in range(most + 1)]
    return ["\n\n".join(pieces[start:end]) for start, end in pairwise(bounds)]


def _joined(pieces: list[str]) -> list[str]:
    joined: list[str] = []
    held = ""
    for piece in pieces:
        held = f"{held}\n{piece}" if held else piece
        if len(held) >= _MIN_CHARS:
            joined.append(held)
            held = ""
    if held:
        joined[-1:] = [f"{joined[-1]}\n{held}" if joined else held]
    return joined
