"""`perpend eval`: suites of problems, runs over them, and what they amount to."""

from cyclopts import App

app = App(
    name="eval",
    help="Measure what thinking buys.\n\n"
    "Such as `perpend eval suites`, `perpend eval run mine.jsonl --model tiny`, `perpend eval report runs/a runs/b`.",
)
for name, target in (
    ("suites", "suites:suites"),
    ("pull", "suites:pull"),
    ("init", "suites:init"),
    ("check", "suites:check"),
    ("run", "run:run"),
    ("report", "report:report"),
    ("curve", "curve:curve"),
    ("gate", "gate:gate"),
    ("decide", "decide:decide"),
    ("audit", "audit:audit"),
    ("overlap", "overlap:overlap"),
    ("stats", "stats:stats"),
    ("import", "import_:import_"),
    ("export", "export:export"),
):
    app.command(f"perpend.cli.eval.{target}", name=name)
