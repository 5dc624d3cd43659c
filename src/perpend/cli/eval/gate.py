"""`perpend eval gate`: is a run good enough, and no worse than its baseline? With an exit status for CI."""

from pathlib import Path

from perpend.cli.console import print_json
from perpend.cli.options import Degree, Json
from perpend.errors import BadRequest
from perpend.evals.reports.report import Reported, read
from perpend.evals.stats.compare import Comparison, compare
from perpend.evals.stats.gate import GateBounds, gate_verdict, missed


def gate(
    run: Path,
    /,
    *,
    baseline: Path | None = None,
    max_drop: Degree = 0.0,
    min_accuracy: Degree | None = None,
    max_seconds: Degree | None = None,
    max_cost_each: Degree | None = None,
    json: Json = False,
) -> None:
    """Compare a run with a baseline on the same problems, and with bounds. The exit status is 1 where it fails.

    It fails where accuracy fell by more than --max-drop and the fall is no chance (the 95 % interval of the paired
    difference is below zero). Where the problems are too few to tell, it says so and passes. Bounds are of the run as
    it was measured.

    Examples:

    - `perpend eval gate runs/new --baseline runs/released --max-drop 0.02`
    - `perpend eval gate runs/new --min-accuracy 0.9 --max-seconds 5 --max-cost-each 0.01`

    Parameters
    ----------
    run
        A folder that `perpend eval run` made.
    baseline
        Another one.
    max_drop
        Of accuracy, that is accepted: 0.02 is two points.
    min_accuracy
        The share of right answers, at least.
    max_seconds
        Of 19 of 20 answers (P95), at most.
    max_cost_each
        US dollars of an answer, on average, at most.
    json
        Print an object.
    """
    if not 0 <= max_drop < 1:
        raise BadRequest(f"--max-drop {max_drop:g} isn't a share", hint="such as 0.02", field="--max-drop")
    bounds = GateBounds(min_accuracy, max_seconds, max_cost_each)
    if baseline is None and bounds == GateBounds():
        hint = "--baseline RUN, --min-accuracy, --max-seconds or --max-cost-each"
        raise BadRequest("there is nothing to hold the run against", hint=hint, field="--baseline")
    reported = read(run, run.name)
    compared = None if baseline is None else _compared(reported, read(baseline, baseline.name))
    verdict = None if compared is None else gate_verdict(compared.difference, max_drop)
    failing = missed(reported.summary, bounds)
    if json:
        print_json({"verdict": verdict, "max_drop": max_drop, "comparison": compared, "missed": failing})
    else:
        if compared is not None:
            print(f"{verdict}: {_comparison_text(compared)}")
        if bounds != GateBounds():
            print("\n".join(failing) or "every bound is kept")
    if verdict == "worse" or failing:
        raise SystemExit(1)


def _compared(run: Reported, baseline: Reported) -> Comparison:
    (compared,) = compare(run.rows, {baseline.name: baseline.rows})
    return compared


def _comparison_text(compared: Comparison) -> str:
    change = compared.difference
    return (
        f"accuracy {change.estimate:+.4f} ({change.low:+.4f} to {change.high:+.4f}) on {change.n} problems, "
        f"{compared.better} better, {compared.worse} worse, p = {compared.p:.3g}"
    )
