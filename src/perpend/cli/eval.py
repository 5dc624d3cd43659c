"""`perpend eval`: suites of problems, runs over them, and what they amount to."""

from cyclopts import App

app = App(
    name="eval",
    help="Measure what thinking buys.\n\n"
    "Such as `perpend eval suites`, `perpend eval run mine.jsonl --model tiny`, `perpend eval report runs/a runs/b`.",
)
for name, place in (
    ("suites", "eval_suites:suites"),
    ("pull", "eval_suites:pull"),
    ("init", "eval_suites:init"),
    ("check", "eval_suites:check"),
    ("run", "eval_run:run"),
    ("report", "eval_report:report"),
    ("gate", "eval_gate:gate"),
    ("decide", "eval_decide:decide"),
    ("audit", "eval_audit:audit"),
    ("overlap", "eval_overlap:overlap"),
    ("stats", "eval_stats:stats"),
    ("import", "eval_import:import_"),
    ("export", "eval_export:export"),
):
    app.command(f"perpend.cli.{place}", name=name)
