"""`perpend eval export`: a run as inspect-ai's log, or as lm-evaluation-harness's results."""

from pathlib import Path
from typing import Literal

from perpend.cli.console import note, print_json
from perpend.cli.options import Json
from perpend.evals.interop import inspect_export, lm_eval_export
from perpend.evals.reports.report import read


def export(
    run: Path, /, *, to: Literal["inspect", "lm-eval"], out: Path | None = None, json: Json = False
) -> None:
    """Write a run down as another harness would have.

    For inspect-ai: a log for `inspect view`, with thinking, tokens and cost. For lm-evaluation-harness: results and
    samples, which have one mark a problem (the mean of several samples), and no place for thinking or tokens.

    Examples:

    - `perpend eval export runs/voted --to inspect --out logs/voted.eval`
    - `perpend eval export runs/voted --to lm-eval --out results`

    Parameters
    ----------
    run
        A folder that `perpend eval run` or `perpend eval import` made.
    to
        `inspect` or `lm-eval`.
    out
        The log, or the folder of results; default: here, named by the run.
    json
        Print an object that says where it was `written`.
    """
    reported = read(run, run.absolute().name)
    if to == "inspect":
        written = out or Path(f"{reported.name}.eval")
        inspect_export.write(reported, written)
    else:
        written = lm_eval_export.write(reported, out or Path(f"{reported.name}-results"))
    if json:
        print_json({"written": written})
    note(f"written to {written}")
