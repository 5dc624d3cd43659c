"""Which problems stand in training data: runs of words that a question or its solution shares with given files.

A text is flagged where it shares a run of `n` words, 13 by default, as in the decontamination of GPT-3 (Brown et al.
2020, appendix C); one with fewer words, but 8 at least, where it's there as a whole. Two more figures are told: the
share of its words that such runs cover, which Llama 2 (Touvron et al. 2023, appendix A.6) reads as dirty from 80 % on,
and the longest run, which tells more of what a model gains (Singh et al. 2024, arXiv:2411.03923). Words are letters and
digits, without their case.

Memory is bounded by the problems: files are read a line at a time. A text that was only reworded isn't found.
"""

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, BadRequest
from perpend.evals.problems import Problem
from perpend.evals.runs.rows import SampleRow, accuracies, by_problem
from perpend.evals.suites.catalogue import untemplated
from perpend.statistics import Estimate, difference, share

N = 13
FEWEST = 8
"""Words that a text must have: shorter ones are anywhere by chance."""
_WORD = re.compile(r"\w+")


class Shared(Struct, frozen=True):
    """What one text has in common with the files."""

    share: float
    """Of its words, those in runs that are shared."""
    longest: int
    """Words of the longest such run; 0: it isn't flagged."""
    where: str | None
    """File and line of that one."""


class Overlap(Struct, frozen=True, kw_only=True):
    """Of one problem. None: the text isn't there, or too short to tell."""

    problem: str
    question: Shared | None
    solution: Shared | None

    @property
    def flagged(self) -> bool:
        return any(one is not None and one.longest > 0 for one in (self.question, self.solution))


class Gain(Struct, frozen=True, kw_only=True):
    """A run's accuracy on flagged problems and on clean ones; None where there are none."""

    flagged: Estimate | None
    clean: Estimate | None
    difference: Estimate | None
    """Flagged less clean: what contamination may have bought, if both are equally hard."""


Piece = tuple[str, Sequence[str]]
"""Where words stand, and the words: they go on from the piece before."""


class Index:
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

    def shared(self, number: int) -> Shared | None:
        """Of one text; None where it's too short."""
        count = len(self._texts[number])
        if count < self._fewest:
            return None
        return Shared(sum(self._seen[number]) / count, self._longest[number], self._where[number])


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


def overlaps(problems: Sequence[Problem], files: Sequence[Path], *, n: int = N) -> list[Overlap]:
    """Raises BadRequest where a file can't be read, naming its line."""
    texts = [untemplated(problem.messages[-1].text) for problem in problems]
    index = Index([*texts, *(problem.solution or "" for problem in problems)], n)
    for path in files:
        for text in _texts(path):
            index.read(text)
    return [
        Overlap(
            problem=problem.id,
            question=index.shared(number),
            solution=index.shared(len(problems) + number),
        )
        for number, problem in enumerate(problems)
    ]


def gain(found: Sequence[Overlap], rows: Sequence[SampleRow]) -> Gain:
    """`rows`: a run's. Problems that it didn't ask don't count."""
    right = accuracies(by_problem(rows))
    shares: list[Estimate | None] = []
    for flagged in (True, False):
        values = [right[one.problem] for one in found if one.flagged is flagged and one.problem in right]
        shares.append(share(values) if values else None)
    dirty, clean = shares
    apart = None if dirty is None or clean is None else difference(dirty, clean)
    return Gain(flagged=dirty, clean=clean, difference=apart)


def _texts(path: Path) -> Iterator[Iterable[Piece]]:
    """Of JSON lines each text field by itself; any other file is one text."""
    rows = path.name.removesuffix(".gz").endswith(".jsonl")
    try:
        with _opened(path) as file:
            if not rows:
                yield ((f"{path.name}:{number}", words(line)) for number, line in enumerate(file, 1))
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    for text in _fields(_decoded(line, path, number)):
                        yield [(f"{path.name}:{number}", words(text))]
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path}: {error}", field="--against") from None


def _opened(path: Path) -> IO[str]:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _decoded(line: str, path: Path, number: int) -> Any:
    try:
        return msgspec.json.decode(line)
    except UNREADABLE as error:
        raise BadRequest(f"{path}:{number}: {error}", field="--against") from None


def _fields(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        held = cast("dict[str, Any] | list[Any]", value)
        for one in held.values() if isinstance(held, dict) else held:
            yield from _fields(one)
