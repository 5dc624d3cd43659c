"""`perpend eval audit`: do answers follow the thoughts before them?"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from perpend.cli.console import note, print_json, print_table
from perpend.cli.eval.audit_options import AuditDrawOptions, ProbeOptions, TraceOptions
from perpend.cli.options import ConfigFile, Json
from perpend.config import load_config
from perpend.errors import BadRequest
from perpend.evals.reports.audit_report import HEADINGS, lines, verdict_lines
from perpend.evals.runs.folder import copied

if TYPE_CHECKING:
    from perpend.evals.audits.faithfulness import Audit


def audit(
    suite: str | None = None,
    /,
    *,
    run: Path | None = None,
    traces: TraceOptions = TraceOptions(),
    draw: AuditDrawOptions = AuditDrawOptions(),
    probes: ProbeOptions = ProbeOptions(),
    out: Path | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Perturb a model's traces, answer from each again, and tell how far the answers go along.

    A trace is cut, a step of it made wrong, another conclusion planted, or another problem's trace put in its place;
    the model answers from it as from a thought of its own. That takes raw completion, as embedded models have it. An
    audit that was stopped, or killed, goes on with the same command.

    Examples:

    - `perpend eval audit gsm8k --model qwen2.5-coder-1.5b --limit 120 --max-thinking-tokens 320 --out runs/audit`
    - `perpend eval audit --run runs/a --json`

    Parameters
    ----------
    suite
        Whose problems are asked first: a name of `perpend eval suites`, or a .jsonl or .csv file of your own.
    run
        The folder of a run whose traces are there already, in place of a suite.
    out
        The run's folder; default: one in PERPEND_HOME named by its settings. With --run, its copy
        that is audited.
    json
        Print an object.
    """
    if (suite is None) == (run is None):
        raise BadRequest(
            "name a suite, or a run", hint="perpend eval audit gsm8k, or --run FOLDER", field="--run"
        )
    from perpend.cli.eval.auditing import finish_audit, traced
    from perpend.evals.audits.audit import Audited, AuditSettings
    from perpend.evals.audits.faithfulness import audit as audit_of

    loaded = load_config(config)
    if run is None:
        assert suite is not None
        run = traced(suite, traces, draw, probes.parallel, out, loaded)
    elif out is not None:
        run = copied(run, out)
    with Audited(run, AuditSettings(seed=draw.seed, answer_tokens=probes.answer_tokens)) as audited:
        if not audited.done(rewards=probes.rewards):
            asyncio.run(finish_audit(audited, loaded, probes))
        found = audit_of(audited.probes.rows, audited.rewards.rows)
    if found is None:
        raise BadRequest(f"no trace of {run} leads to an answer", hint="see audit.jsonl there", field="--run")
    if json:
        print_json({"folder": run, "audit": found})
    else:
        _print(found)
        note(f"kept in {run}; `perpend eval report {run} --out audit.md` tells of it")


def _print(found: "Audit") -> None:
    from rich.table import Table

    for line in verdict_lines(found):
        print(line)
    table = Table(*HEADINGS)
    for line in lines(found):
        table.add_row(*line)
    print_table(table)
