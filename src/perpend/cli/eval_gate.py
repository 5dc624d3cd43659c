"""`perpend eval gate`: is a run worse than its baseline? By a paired test, with an exit status for CI."""

from pathlib import Path

from perpend.cli.console import print_json
from perpend.cli.options import Json
from perpend.errors import BadRequest
from perpend.evals.compare import compare
from perpend.evals.gate import judged
from perpend.evals.report import read


def gate(
    run: Path,
    /,
    *,
    baseline: Path,
    max_drop: float = 0.0,
    json: Json = False,
) -> None:
    """Compare a run with a baseline on the same problems. The exit status is 1 where it's surely worse.

    It fails where accuracy fell by more than --max-drop and the fall is no chance (the 95 % interval of the paired
    difference is below zero). Where the problems are too few to tell, it says so and passes.

    Example: `perpend eval gate runs/new --baseline runs/released --max-drop 0.02`

    Parameters
    ----------
    run
        A folder that `perpend eval run` made.
    baseline
        Another one.
    max_drop
        Of accuracy, that is accepted: 0.02 is two points.
    json
        Print an object.
    """
    if not 0 <= max_drop < 1:
        raise BadRequest(f"--max-drop {max_drop:g} isn't a share", hint="such as 0.02", field="--max-drop")
    (compared,) = compare(read(run, run.name).rows, {baseline.name: read(baseline, baseline.name).rows})
    verdict = judged(compared.difference, max_drop)
    if json:
        print_json({"verdict": verdict, "max_drop": max_drop, "comparison": compared})
    else:
        one = compared.difference
        print(
            f"{verdict}: accuracy {one.estimate:+.4f} ({one.low:+.4f} to {one.high:+.4f}) on {one.n} problems, "
            f"{compared.better} better, {compared.worse} worse, p = {compared.p:.3g}"
        )
    if verdict == "worse":
        raise SystemExit(1)
