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
        "flagged": _count([one.flagged for one in found]),
        "questions": _kind([one.question for one in found]),
        "solutions": _kind([one.solution for one in found]),
        "gain": gain,
    }
    if json:
        print_json({**facts, "problems": [{**_fields(one), "flagged": one.flagged} for one in found]})
        return
    _print(found, facts, gain)


def _count(flags: list[bool]) -> Estimate | None:
    return proportion(sum(flags), len(flags)) if flags else None


def _kind(texts: list[SharedRuns | None]) -> dict[str, Any]:
    known = [one for one in texts if one is not None]
    return {
        "read": len(known),
        "flagged": _count([one.longest > 0 for one in known]),
        "mostly_shared": sum(one.share >= _DIRTY for one in known),
    }


def _fields(one: overlaps.Overlap) -> dict[str, Any]:
    return {"problem": one.problem, "question": one.question, "solution": one.solution}


def _print(found: list[overlaps.Overlap], facts: dict[str, Any], gain: overlaps.Gain | None) -> None:
    from rich.table import Table

    flagged = sorted((one for one in found if one.flagged), key=_longest, reverse=True)
    print(
        f"{len(flagged)} of {facts['n']} problems share a run of {facts['words']} words: {_interval(facts['flagged'])}"
    )
    for name in ("questions", "solutions"):
        of = facts[name]
        if of["read"]:
            print(
                f"{name}: {of['flagged'].right} of {of['read']}; {of['mostly_shared']} with 80 % of their words"
            )
    if flagged:
        table = Table("problem", "question shared", "longest", "where", "solution shared", "longest", "where")
        for one in flagged[:_SHOWN]:
            table.add_row(one.problem, *_cells(one.question), *_cells(one.solution))
        print_table(table)
        if len(flagged) > _SHOWN:
            print(f"and {len(flagged) - _SHOWN} more: see --json")
    if gain is not None:
        for name in ("flagged", "clean", "difference"):
            print(f"accuracy, {name}: {_interval(getattr(gain, name))}")


def _longest(one: overlaps.Overlap) -> int:
    return max(text.longest if text else 0 for text in (one.question, one.solution))


def _cells(one: SharedRuns | None) -> tuple[str, str, str]:
    return ("", "", "") if one is None else (f"{one.share:.0%}", str(one.longest), one.where or "")


def _interval(one: Estimate | None) -> str:
    return "none" if one is None else f"{one.estimate:.3f} ({one.low:.3f} to {one.high:.3f}), n = {one.n}"
