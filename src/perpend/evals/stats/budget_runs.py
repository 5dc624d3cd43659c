"""Runs of the same problems at several thinking budgets become the curve that shedding goes by."""

from collections.abc import Sequence
from statistics import fmean

from msgspec import Struct
from msgspec.structs import replace

from perpend.accounting.calibration import quantile
from perpend.accounting.curves import MARGIN, OFF_MARGIN, Curve, CurvePoint, CurveSource, data_hash
from perpend.errors import BadRequest
from perpend.evals.reports.report import Reported
from perpend.evals.runs.samples import RunSettings, Sample

_AGAIN = (
    "the same suite, --limit, --seed, --system and --temperature, and --max-thinking-tokens for each budget"
)


class BudgetRuns(Struct, frozen=True, kw_only=True):
    """What the runs amount to."""

    curve: Curve
    left_out: int
    """Problems that got no answer at some budget: they count at none."""
    cut: float
    """Of the thoughts at the largest budget, the share that it cut."""


def curve_from(
    runs: Sequence[Reported], model: str, *, margin: float = MARGIN, off_margin: float = OFF_MARGIN
) -> BudgetRuns:
    """The curve of `model`, on the problems that were answered at every budget.

    Raises BadRequest where the runs differ in more than budget, seed and number of samples, or aren't finished.
    """
    _check(runs)
    budgets = sorted({budget_of(run) for run in runs})
    if len(budgets) < 2:
        raise BadRequest("the runs have one budget between them", hint=_AGAIN, field="--runs")
    at = {budget: [run for run in runs if budget_of(run) == budget] for budget in budgets}
    failed = {sample.problem for run in runs for sample in run.samples if sample.error is not None}
    problems = [problem for problem in runs[0].problems if problem not in failed]
    if not problems:
        raise BadRequest("no problem was answered at every budget", field="--runs")
    points = tuple(_point(budget, at[budget], problems) for budget in budgets)
    used = tuple(sample.usage.thinking for run in at[budgets[-1]] for sample in _kept(run, problems))
    cut = fmean(tokens >= budgets[-1] for tokens in used)
    versions = {sample.model_version for run in runs for sample in run.samples}
    curve = Curve(
        model=model,
        source=CurveSource(
            suite=runs[0].header.settings.suite,
            fingerprint=runs[0].header.settings.fingerprint,
            seeds=tuple(sorted({run.header.settings.seed for run in runs})),
            measured=max(run.header.started for run in runs),
            model_versions=tuple(sorted(versions - {""})),
            runs=tuple(run.name for run in runs),
        ),
        points=points,
        natural_p50=quantile(used, 0.5) if cut < 0.5 else None,
        natural_p90=quantile(used, 0.9) if cut <= 0.1 else None,
        data=data_hash(points),
        margin=margin,
        off_margin=off_margin,
    )
    return BudgetRuns(curve=curve, left_out=len(runs[0].problems) - len(problems), cut=cut)


def budget_of(run: Reported) -> int:
    """Raises BadRequest where it names none."""
    settings = run.header.settings
    if settings.max_thinking_tokens is not None:
        return settings.max_thinking_tokens
    if settings.effort == "none":
        return 0
    raise BadRequest(
        f"{run.name} doesn't say how many tokens it let the model think",
        hint="ask with --max-thinking-tokens; 0 is no thinking at all",
        field="--runs",
    )


def _check(runs: Sequence[Reported]) -> None:
    first, seen = _alike(runs[0].header.settings), set[tuple[int, int]]()
    for run in runs:
        settings = run.header.settings
        if settings.strategy not in ("single", {"name": "single"}):
            raise BadRequest(
                f"{run.name} has the strategy {settings.strategy!r}, whose thoughts share a budget",
                hint="a curve is of single thoughts: run without --strategy",
                field="--runs",
            )
        other = _alike(settings)
        different = [
            name for name in RunSettings.__struct_fields__ if getattr(first, name) != getattr(other, name)
        ]
        if different:
            raise BadRequest(
                f"{runs[0].name} and {run.name} differ in {', '.join(different)}", hint=_AGAIN, field="--runs"
            )
        wanted = len(run.problems) * settings.samples
        if len(run.samples) < wanted:
            raise BadRequest(
                f"{run.name} isn't finished: {len(run.samples)} of {wanted} samples are there",
                hint="the command that began it goes on with it",
                field="--runs",
            )
        key = budget_of(run), settings.seed
        if key in seen:
            raise BadRequest(
                f"{run.name} has the budget and the seed of another run: its answers are the same",
                hint="name one of them, or ask with another --seed",
                field="--runs",
            )
        seen.add(key)


def _alike(settings: RunSettings) -> RunSettings:
    """Without what may differ."""
    return replace(settings, max_thinking_tokens=None, effort=None, seed=0, samples=1)


def _kept(run: Reported, problems: Sequence[str]) -> list[Sample]:
    kept = set(problems)
    return [sample for sample in run.samples if sample.problem in kept]


def _point(budget: int, runs: Sequence[Reported], problems: Sequence[str]) -> CurvePoint:
    right, samples = dict.fromkeys(problems, 0), [one for run in runs for one in _kept(run, problems)]
    for sample in samples:
        right[sample.problem] += sample.correct
    return CurvePoint(
        budget=budget,
        right=tuple(right.values()),
        samples=sum(run.header.settings.samples for run in runs),
        thinking_tokens=fmean(sample.usage.thinking for sample in samples),
        answer_tokens=fmean(sample.usage.answer for sample in samples),
    )
