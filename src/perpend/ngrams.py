"""Runs of words that texts share with others: for what is evaluated, and for what is learned from.

A run has `N` words, 13 by default, as in the decontamination of GPT-3 (Brown et al. 2020, appendix C). Words are
letters and digits, without their case. Memory is bounded by the texts that are looked for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct

N = 13
FEWEST = 8
"""Words that a text must have: shorter ones are anywhere by chance."""
_WORD = re.compile(r"\w+")


class SharedRuns(Struct, frozen=True):
    """What one text has in common with the files."""

    share: float
    """Of its words, those in runs that are shared."""
    longest: int
    """Words of the longest such run; 0: it isn't flagged."""
    where: str | None
    """File and line of that one."""


Piece = tuple[str, Sequence[str]]
"""Where words stand, and the words: they go on from the piece before."""


class NgramIndex:
    """The runs of `n` words of some texts, and which of them were seen."""

    def __init__(self, texts: Sequence[str], n: int = N) -> None:
        self._texts = [words(text) for text in texts]
        self._fewest = min(n, FEWEST)
        self._seen = [bytearray(len(text)) for text in self._texts]
        self._longest = [0] * len(texts)
        self._where: list[str | None] = [None] * len(texts)
        self._grams: dict[int, dict[tuple[str, ...], list[tuple[int, int]]]] = {}
        for number, text in enumerate(self._texts):
            size = min(n, len(text))
            if size >= self._fewest:
                grams = self._grams.setdefault(size, {})
                for at in range(len(text) - size + 1):
                    grams.setdefault(tuple(text[at : at + size]), []).append((number, at))

    def read(self, text: Iterable[Piece]) -> None:
        """One text, in pieces."""
        scans = [_Scan(size, grams) for size, grams in self._grams.items()]
        for where, piece in text:
            for scan in scans:
                for number, at, length in scan.read(piece):
                    self._seen[number][at : at + scan.size] = b"\1" * scan.size
                    if length > self._longest[number]:
                        self._longest[number], self._where[number] = length, where

    def shared(self, number: int) -> SharedRuns | None:
        """Of one text; None where it's too short."""
        count = len(self._texts[number])
        if count < self._fewest:
            return None
        return SharedRuns(sum(self._seen[number]) / count, self._longest[number], self._where[number])


class _Scan:
    """A window that moves over a text."""

    def __init__(self, size: int, grams: Mapping[tuple[str, ...], list[tuple[int, int]]]) -> None:
        self.size = size
        self._grams = grams
        self._held: list[str] = []
        self._runs: dict[tuple[int, int], int] = {}

    def read(self, piece: Sequence[str]) -> Iterator[tuple[int, int, int]]:
        """A text's number, the place in it, and the words of the run so far, for each window that it has too."""
        run = [*self._held, *piece]
        for window in zip(*[islice(run, start, None) for start in range(self.size)], strict=False):
            found = self._grams.get(window)
            if found is None:
                self._runs = {}
                continue
            self._runs = {
                (number, at): self._runs.get((number, at - 1), self.size - 1) + 1 for number, at in found
            }
            for (number, at), length in self._runs.items():
                yield number, at, length
        self._held = run[len(run) - self.size + 1 :] if len(run) >= self.size else run


def words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
