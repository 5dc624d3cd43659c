"""`perpend eval`: suites of problems, and statistics of what was answered."""

from cyclopts import App

app = App(
    name="eval",
    help="Measure what thinking buys.\n\n"
    "Such as `perpend eval suites`, `perpend eval check mine.jsonl`, `perpend eval stats samples.jsonl`.",
)
for name, place in (
    ("suites", "eval_suites:suites"),
    ("pull", "eval_suites:pull"),
    ("init", "eval_suites:init"),
    ("check", "eval_suites:check"),
    ("stats", "eval_stats:stats"),
):
    app.command(f"perpend.cli.{place}", name=name)
