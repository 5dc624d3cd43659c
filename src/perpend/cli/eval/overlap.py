"""`perpend eval overlap`: which problems of a suite stand in training data."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from perpend.cli.console import print_json, print_table
from perpend.cli.options import ConfigFile, Count, Json
from perpend.config import home_dir, load_config
from perpend.evals.audits import overlap as overlaps
from perpend.evals.reports.report import read
from perpend.ngrams import SharedRuns
from perpend.statistics import Estimate, proportion

_SHOWN = 20
_DIRTY = 0.8


def overlap(
    suite: str,
    /,
    *,
    against: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)],
    n: Count = overlaps.N,
    run: Path | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Find a suite's questions and solutions in training files, by runs of shared words.

    A problem is flagged where a question or a solution shares a run of --n words. With a run, its accuracy on flagged
    problems is put beside that on clean ones.

    Example: `perpend eval overlap gsm8k --against train.jsonl more.txt.gz --run runs/a`

    Parameters
    ----------
    suite
        A name of `perpend eval suites`, or a .jsonl or .csv file of your own.
    against
        Training files: .jsonl, of which every text field is read, or plain text; either may be gzipped.
    n
        Words of a run.
    run
        The folder of a run over this suite.
    json
        Print an object, with every problem.
    """
    from perpend.evals.suites.catalogue import load

    found = overlaps.overlaps(load(suite, home_dir(load_config(config))), against, n=n)
    gain = None if run is None else overlaps.gain(found, read(run, run.name).rows)
    facts: dict[str, Any] = {
        "n": len(found),
        "words": n,
        "flagged": _count([problem.flagged for problem in found]),
        "questions": _kind([problem.question for problem in found]),
        "solutions": _kind([problem.solution for problem in found]),
        "gain": gain,
    }
    if json:
        print_json(
            {**facts, "problems": [{**_fields(problem), "flagged": problem.flagged} for problem in found]}
        )
        return
    _print(found, facts, gain)


def _count(flags: list[bool]) -> Estimate | None:
    return proportion(sum(flags), len(flags)) if flags else None


def _kind(texts: list[SharedRuns | None]) -> dict[str, Any]:
    known = [shared for shared in texts if shared is not None]
    return {
        "read": len(known),
        "flagged": _count([shared.longest > 0 for shared in known]),
        "mostly_shared": sum(shared.share >= _DIRTY for shared in known),
    }


def _fields(overlap: overlaps.Overlap) -> dict[str, Any]:
    return {"problem": overlap.problem, "question": overlap.question, "solution": overlap.solution}


def _print(found: list[overlaps.Overlap], facts: dict[str, Any], gain: overlaps.Gain | None) -> None:
    from rich.table import Table

    flagged = sorted((problem for problem in found if problem.flagged), key=_longest, reverse=True)
    print(
        f"{len(flagged)} of {facts['n']} problems share a run of {facts['words']} words: {_interval(facts['flagged'])}"
    )
    for name in ("questions", "solutions"):
        counts = facts[name]
        if counts["read"]:
            print(
                f"{name}: {counts['flagged'].right} of {counts['read']}; {counts['mostly_shared']} with "
                "80 % of their words"
            )
    if flagged:
        table = Table("problem", "question shared", "longest", "where", "solution shared", "longest", "where")
        for problem in flagged[:_SHOWN]:
            table.add_row(problem.problem, *_cells(problem.question), *_cells(problem.solution))
        print_table(table)
        if len(flagged) > _SHOWN:
            print(f"and {len(flagged) - _SHOWN} more: see --json")
    if gain is not None:
        for name in ("flagged", "clean", "difference"):
            print(f"accuracy, {name}: {_interval(getattr(gain, name))}")


def _longest(overlap: overlaps.Overlap) -> int:
    return max(text.longest if text else 0 for text in (overlap.question, overlap.solution))


def _cells(shared: SharedRuns | None) -> tuple[str, str, str]:
    return (
        ("", "", "") if shared is None else (f"{shared.share:.0%}", str(shared.longest), shared.where or "")
    )


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "none"
    return f"{estimate.estimate:.3f} ({estimate.low:.3f} to {estimate.high:.3f}), n = {estimate.n}"
