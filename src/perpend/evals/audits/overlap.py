"""Which problems stand in training data: runs of words that a question or its solution shares with given files.

A text is flagged where it shares a run of `n` words, 13 by default, as in the decontamination of GPT-3 (Brown et al.
2020, appendix C); one with fewer words, but 8 at least, where it's there as a whole. Two more figures are told: the
share of its words that such runs cover, which Llama 2 (Touvron et al. 2023, appendix A.6) reads as dirty from 80 % on,
and the longest run, which tells more of what a model gains (Singh et al. 2024, arXiv:2411.03923). Words are letters and
digits, without their case.

Memory is bounded by the problems: files are read a line at a time. A text that was only reworded isn't found.
"""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, BadRequest
from perpend.evals.problems import Problem
from perpend.evals.runs.rows import SampleRow, accuracies, by_problem
from perpend.evals.suites.catalogue import untemplated
from perpend.ngrams import N, NgramIndex, Piece, SharedRuns, words
from perpend.statistics import Estimate, difference, share


class Overlap(Struct, frozen=True, kw_only=True):
    """Of one problem. None: the text isn't there, or too short to tell."""

    problem: str
    question: SharedRuns | None
    solution: SharedRuns | None

    @property
    def flagged(self) -> bool:
        return any(one is not None and one.longest > 0 for one in (self.question, self.solution))


class Gain(Struct, frozen=True, kw_only=True):
    """A run's accuracy on flagged problems and on clean ones; None where there are none."""

    flagged: Estimate | None
    clean: Estimate | None
    difference: Estimate | None
    """Flagged less clean: what contamination may have bought, if both are equally hard."""


def overlaps(problems: Sequence[Problem], files: Sequence[Path], *, n: int = N) -> list[Overlap]:
    """Raises BadRequest where a file can't be read, naming its line."""
    texts = [untemplated(problem.messages[-1].text) for problem in problems]
    index = NgramIndex([*texts, *(problem.solution or "" for problem in problems)], n)
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
