"""`perpend eval report`: one run, or several beside each other, as a page, Markdown, CSV or JSON."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from perpend.cli.console import note, print_json
from perpend.cli.options import Json
from perpend.errors import BadRequest
from perpend.evals.reports import report as reports


def report(
    *runs: Path,
    out: Path | None = None,
    form: Annotated[Literal["html", "md", "csv", "json"] | None, Parameter(name="--format")] = None,
    json: Json = False,
) -> None:
    """Report on runs: accuracies with intervals, tokens, cost, paired differences, categories, traces that differ.

    The first run is what the others are compared with.

    Examples: `perpend eval report runs/a --out a.md`, `perpend eval report runs/single runs/voted --format md`

    Parameters
    ----------
    runs
        Folders that `perpend eval run` made.
    out
        The file; its ending says in which form. Default: stdout, as Markdown.
    form
        html (needs the extra `bench`), md, csv or json.
    json
        The same as `--format json`.
    """
    if not runs:
        raise BadRequest("no run is named", hint="perpend eval report RUN …", field="--runs")
    format_ = "json" if json else form or (out.suffix.lstrip(".") if out else "md")
    found = reports.report(runs)
    if format_ == "json" and out is None:
        print_json(reports.facts(found))
        return
    text = _text(found, format_)
    if out is None:
        sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    note(f"written to {out}")


def _text(found: reports.Report, form: str) -> str:
    import msgspec

    if form == "html":
        from perpend.evals.reports.page import page

        return page(found)
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(reports.facts(found))).decode() + "\n"
    writers = {"md": reports.markdown, "csv": reports.table}
    if form not in writers:
        raise BadRequest(f"no report is written as {form!r}", hint="html, md, csv or json", field="--format")
    return writers[form](found)
