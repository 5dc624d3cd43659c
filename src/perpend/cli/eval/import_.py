"""`perpend eval import`: runs that inspect-ai and lm-evaluation-harness made, as folders that `perpend eval` reads."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from msgspec.structs import replace

from perpend.cli.console import note, print_json
from perpend.cli.options import ConfigFile, Json
from perpend.config import load_config
from perpend.config.load import home_dir
from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.evals.interop import inspect_import, lm_eval_import
from perpend.evals.interop.foreign import ForeignRun, save
from perpend.evals.problems import Problem
from perpend.evals.runs.samples import Sample
from perpend.types import Candidate, VerifierSpec


def import_(
    file: Path,
    /,
    *,
    out: Path | None = None,
    scorer: str | None = None,
    verifier: str | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Import runs of inspect-ai or lm-evaluation-harness, for `perpend eval report`, `gate`, `stats` and the rest.

    From inspect-ai: .eval or .json logs. From lm-evaluation-harness: `results_TIME.json` or `samples_TASK_TIME.jsonl`
    (`lm_eval run --log_samples`). Prompts, answers, thinking, tokens and marks come along where the log has them.
    Imported twice, with their marks and with a verifier's, two graders can be laid beside each other.

    Examples:

    - `perpend eval import logs/2026-01-01_gsm8k.eval --out runs/theirs`
    - `perpend eval import logs/2026-01-01_gsm8k.eval --out runs/ours --verifier math`
    - `perpend eval import results/model --scorer exact_match,flexible-extract`

    Parameters
    ----------
    file
        A log, or a folder of logs.
    out
        The run's folder, or that of several runs; default: in PERPEND_HOME, named by the log.
    scorer
        Whose marks count, where there are several: a scorer of inspect-ai, METRIC,FILTER of lm-evaluation-harness.
        Full marks pass.
    verifier
        Grade the answers anew with this one.
    json
        Print an array of objects: each run's `folder`, `suite` and number of `samples`.
    """
    loaded = load_config(config)
    runs = [
        lm_eval_import.read(path, scorer) if path.suffix == ".jsonl" else inspect_import.read(path, scorer)
        for path in _logs(file)
    ]
    if not runs:
        raise BadRequest(
            f"{file} holds no log", hint="*.eval, results_*.json or samples_*.jsonl", field="FILE"
        )
    rows: list[dict[str, object]] = []
    for run in runs:
        graded = asyncio.run(_graded(run, verifier, loaded)) if verifier else _check_marks(run)
        default = home_dir(loaded) / "runs" / run.name
        folder = default if out is None else out if len(runs) == 1 else out / run.name
        save(graded, folder)
        suite = run.header.settings.suite
        rows.append({"folder": folder, "suite": suite, "samples": len(graded.samples)})
        note(f"{len(graded.samples)} samples of {suite} kept in {folder}")
    if json:
        print_json(rows)


def _logs(file: Path) -> list[Path]:
    if not file.exists():
        raise BadRequest(f"{file} isn't there", field="FILE")
    if file.is_dir():
        return [*sorted(file.rglob("*.eval")), *lm_eval_import.sample_files(file)]
    if file.name.startswith(("results_", "samples_")):
        return lm_eval_import.sample_files(file)
    return [file]


def _check_marks(run: ForeignRun) -> ForeignRun:
    lacking = sum(sample.verdict is None and sample.error is None for sample in run.samples)
    if lacking:
        raise BadRequest(
            f"{lacking} samples of {run.name} have no single mark",
            hint="choose one with --scorer, or grade them anew with --verifier",
            field="--scorer",
        )
    return run


async def _graded(run: ForeignRun, verifier: str, config: Config) -> ForeignRun:
    from perpend.evals.runs.grading import grade
    from perpend.runtime import Verifiers

    problems = {
        problem.id: replace(problem, verifier=VerifierSpec(verifier, problem.gold))
        for problem in run.problems
    }

    async def regrade(sample: Sample) -> Sample:
        if sample.error is not None:
            return sample
        candidate = Candidate(answer=sample.answer, thinking=sample.thinking)
        return replace(sample, verdict=await grade(verifiers.get, problems[sample.problem], candidate))

    async with aclosing(Verifiers(config)) as verifiers:
        samples = await asyncio.gather(*map(regrade, run.samples))
    return replace(run, problems=list[Problem](problems.values()), samples=samples)
