# pyright: basic, reportMissingImports=false
# what draws comes with the extra `bench`; types are checked where it isn't installed
"""The report as one self-contained HTML file. Models' texts are escaped."""

from importlib.resources import files

from perpend.errors import ConfigError
from perpend.evals.reports import audit_report, figures
from perpend.evals.reports.report import HEADINGS, SHOWN, Report, lines, settings_of
from perpend.extras import install


def page(report: Report) -> str:
    """Render the page. Raises ConfigError where the extra `bench` isn't installed."""
    try:
        import jinja2
        import markupsafe
        import vl_convert
    except ImportError as error:
        raise ConfigError(f"{error.name} isn't installed", hint=install("perpend[bench]")) from None
    specs = {"Accuracy and tokens": figures.by_tokens(report.runs)}
    if (curve := figures.budgets(report.runs)) is not None:
        specs["By thinking budget"] = curve
    for run in report.runs[:6]:
        thinks = any(sample.usage.thinking for sample in run.samples)
        subject = "thoughts" if thinks else "answers, which nothing was thought for"
        specs[f"Length of {subject}: {run.name}"] = figures.lengths(run, thinks)
        if run.audit is not None:
            specs[f"Answers that perturbed thoughts change: {run.name}"] = audit_report.bars(run.audit)
    drawn = {name: vl_convert.vegalite_to_svg(spec) for name, spec in specs.items()}
    pictures = [(name, markupsafe.Markup(svg)) for name, svg in drawn.items()]  # noqa: S704 -- Vega's own, which escapes texts
    template = jinja2.Environment(autoescape=True).from_string(
        files("perpend.evals.reports").joinpath("page.html").read_text()
    )
    return template.render(
        title=_title(report),
        report=report,
        headings=HEADINGS,
        lines=list(lines(report)),
        pictures=pictures,
        shown=SHOWN,
        settings_of=settings_of,
        audits=audit_report,
    )


def _title(report: Report) -> str:
    suites = dict.fromkeys(run.header.settings.suite for run in report.runs)
    kind = "run" if len(report.runs) == 1 else f"{len(report.runs)} runs"
    return f"{', '.join(suites)}: {kind}"
