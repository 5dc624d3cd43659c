"""Find problems in training data: runs of words that a question or its solution shares with given files.

A text is flagged where it shares a run of `n` words, 13 by default, as in the decontamination of GPT-3 (Brown et al.
2020, appendix C); a text of 8 to `n` words where all of it occurs. Two more figures: the share of its words that such
runs cover, which Llama 2 (Touvron et al. 2023, appendix A.6) counts as dirty from 80 % on, and the longest run, which
predicts a model's gain better (Singh et al. 2024, arXiv:2411.03923). Words are letters and digits, case folded.

Memory is bounded by the problems: files are read line by line. Reworded texts aren't found.
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
    """The overlap of one problem. None: it has no such text, or one that is too short."""

    problem: str
    question: SharedRuns | None
    solution: SharedRuns | None

    @property
    def flagged(self) -> bool:
        return any(shared is not None and shared.longest > 0 for shared in (self.question, self.solution))


class Gain(Struct, frozen=True, kw_only=True):
    """A run's accuracy on flagged problems and on clean ones; None where there are none."""

    flagged: Estimate | None
    clean: Estimate | None
    difference: Estimate | None
    """Flagged less clean: the gain from contamination, if both are equally hard."""


def overlaps(problems: Sequence[Problem], files: Sequence[Path], *, n: int = N) -> list[Overlap]:
    """The overlap of each problem with the files. Raises BadRequest where a file can't be read, naming its line."""
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
    """Compare a run's accuracy on flagged and clean problems. Problems without rows don't count."""
    right = accuracies(by_problem(rows))
    shares: list[Estimate | None] = []
    for flagged in (True, False):
        values = [
            right[overlap.problem]
            for overlap in found
            if overlap.flagged is flagged and overlap.problem in right
        ]
        shares.append(share(values) if values else None)
    dirty, clean = shares
    gap = None if dirty is None or clean is None else difference(dirty, clean)
    return Gain(flagged=dirty, clean=clean, difference=gap)


def _texts(path: Path) -> Iterator[Iterable[Piece]]:
    """Texts of a file: each text field of JSON lines, or the whole of any other file."""
    rows = path.name.removesuffix(".gz").endswith(".jsonl")
    try:
        with _open(path) as file:
            if not rows:
                yield ((f"{path.name}:{number}", words(line)) for number, line in enumerate(file, 1))
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    for text in _fields(_decode(line, path, number)):
                        yield [(f"{path.name}:{number}", words(text))]
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path}: {error}", field="--against") from None


def _open(path: Path) -> IO[str]:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _decode(line: str, path: Path, number: int) -> Any:
    try:
        return msgspec.json.decode(line)
    except UNREADABLE as error:
        raise BadRequest(f"{path}:{number}: {error}", field="--against") from None


def _fields(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        container = cast("dict[str, Any] | list[Any]", value)
        for item in container.values() if isinstance(container, dict) else container:
            yield from _fields(item)
