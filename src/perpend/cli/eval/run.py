"""`perpend eval run`: ask and grade a suite's problems, or continue a run."""

import asyncio
import hashlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from cyclopts import Parameter

from perpend.cli.console import note, print_json
from perpend.cli.named import named, text_of
from perpend.cli.option_groups import DrawOptions, ModelOptions, PaceOptions, ThinkingOptions
from perpend.cli.options import ConfigFile, Count, Flag, Json
from perpend.config import load_config
from perpend.config.load import home_dir
from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.evals.problems import Problem, asked_otherwise, fingerprint
from perpend.evals.runs.samples import RunSettings
from perpend.evals.stats.summary import Summary

if TYPE_CHECKING:  # help needn't load what asks
    from perpend.evals.runs.run import RunProgress
    from perpend.evals.runs.targets import Target


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunModelOptions(ModelOptions):
    """Which model answers, and where it runs."""

    target: str = "local"
    """`local`, or where a gateway's API begins."""
    key_env: str | None = None
    """The environment variable that holds the gateway's key."""
    on: Literal["here", "ray"] = "here"
    """`ray`: on many engines of a Ray cluster (needs the extra `ray`). RAY_ADDRESS names it."""
    engines: Count | None = None
    """So many of them; default: one on each node."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ProblemOptions(DrawOptions):
    """Which problems are asked, and how often."""

    samples: Count = 1
    """Of each problem."""
    since: str | None = None
    """Only problems from this date on: 2025, 2025-03 or 2025-03-31."""
    before: str | None = None
    """Only problems from before this date."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What comes of the run, and where it goes."""

    out: Path | None = None
    """The run's folder; default: one in PERPEND_HOME named by its settings."""
    dry_run: Flag = False
    """Say what it would take, in tokens, dollars and time: at most, and as earlier requests did. Nothing is asked."""
    json: Json = False
    """Print an object."""


def run(
    suite: str,
    /,
    *,
    model: RunModelOptions = RunModelOptions(),
    thinking: ThinkingOptions = ThinkingOptions(),
    verifier: str | None = None,
    problems: ProblemOptions = ProblemOptions(),
    pace: PaceOptions = PaceOptions(),
    output: OutputOptions = OutputOptions(),
    config: ConfigFile = None,
) -> None:
    """Ask a suite's problems, grade the answers, and print what they amount to.

    Every sample is on the disk the moment it's there. A run that was stopped, or killed, goes on with the same command,
    and asks nothing again that was answered.

    Examples:

    - `perpend eval init mine.csv && perpend eval run mine.csv --model tiny`
    - `perpend eval run tiny --model tiny --max-thinking-tokens 64 --strategy self_consistency`
    - `perpend eval pull gsm8k && perpend eval run gsm8k --limit 100 --samples 4`
    - `perpend eval run mine.jsonl --target http://127.0.0.1:8080/v1 --samples 4 --max-cost 2`

    Parameters
    ----------
    suite
        A name of `perpend eval suites`, or a .jsonl or .csv file of your own.
    model.model
        Default: the config's, or the gateway's.
    model.system
        The system message of every question: a text, or a file that holds it.
    thinking.max_thinking_tokens
        Thinking tokens of each sample.
    verifier
        Checks every answer, in place of the suite's own: a name, or a JSON object.
    problems.seed
        Every sample has a seed of its own, made from this one.
    """
    from perpend.cli.eval.finish import finish_run
    from perpend.cli.eval.forecast import print_forecast, run_forecast
    from perpend.evals.suites.catalogue import load

    loaded = load_config(config)
    drawn = load(
        suite,
        home_dir(loaded),
        limit=problems.limit,
        seed=problems.seed,
        since=problems.since,
        before=problems.before,
    )
    system = None if model.system is None else text_of(model.system)
    verifier_given = None if verifier is None else named(verifier, "--verifier")
    adapted = _adapted(drawn, system, verifier_given)
    settings = RunSettings(
        suite=suite,
        problems=tuple(problem.id for problem in adapted),
        fingerprint=fingerprint(adapted),
        system=system,
        verifier=verifier_given,
        target=model.target,
        model=model.model,
        effort=thinking.effort,
        max_thinking_tokens=thinking.max_thinking_tokens,
        max_output_tokens=thinking.max_tokens,
        strategy=named(thinking.strategy, "--strategy"),
        samples=problems.samples,
        temperature=model.temperature,
        seed=problems.seed,
    )
    _check_settings(settings, model.on)
    if output.dry_run:
        found = asyncio.run(run_forecast(settings, adapted, loaded, pace.parallel))
        print_json(found) if output.json else print_forecast(found, gateway=model.target != "local")
        return
    folder = output.out or home_dir(loaded) / "runs" / _name(settings)
    progress, found = asyncio.run(finish_run(settings, adapted, loaded, folder, pace, _target(model, loaded)))
    _print_outcome(found, progress, folder, output.json)
    if progress.stopped or 0 < progress.total <= progress.failed:
        raise SystemExit(1)


def _check_settings(settings: RunSettings, on: str) -> None:
    from perpend.strategies import strategy_spec, with_options

    with_options(strategy_spec(settings.strategy, "--strategy"))
    if settings.target != "local" and not settings.target.startswith(("http://", "https://")):
        raise BadRequest(f"--target {settings.target!r} is neither local nor a web address", field="--target")
    if on == "ray" and settings.target != "local":
        raise BadRequest("a gateway isn't asked by way of Ray", hint="leave --on out", field="--on")


def _adapted(problems: list[Problem], system: str | None, verifier: Any) -> list[Problem]:
    from perpend.verifiers import verifier_spec

    spec = None if verifier is None else verifier_spec(verifier, "--verifier")
    return [asked_otherwise(problem, system=system, verifier=spec) for problem in problems]


def _target(model: RunModelOptions, config: Config) -> "AbstractAsyncContextManager[Target]":
    from perpend.cli.eval.finish import fleet_target, gateway_target, local_target

    if model.target != "local":
        return gateway_target(model.target, model.key_env)
    if model.on == "ray":
        return fleet_target(model.model, model.engines, config)
    return local_target(model.model, config)


def _print_outcome(found: Summary, progress: "RunProgress", folder: Path, json: bool) -> None:
    from perpend.cli.eval.stats import print_summary

    if json:
        facts = {"n": found.problems, "accuracy": found.at_k["pass@1"], "folder": folder, **found.facts()}
        print_json({**facts, "stopped": progress.stopped, "failed": progress.failed})
        return
    print_summary(found)
    if progress.failed:
        print(f"{progress.failed} samples failed and count as wrong: see error in {folder}/samples.jsonl")
    if progress.stopped:
        print(f"stopped: {progress.stopped}; {progress.done} of {progress.total} samples are there")
    note(f"kept in {folder}")


def _name(settings: RunSettings) -> str:
    """The name of a run's folder: suite, model, and a digest of all settings."""
    digest = hashlib.sha256(msgspec.json.encode(settings)).hexdigest()[:8]
    suite = Path(settings.suite).stem.replace("/", "-")
    return f"{suite}-{(settings.model or 'default').replace('/', '-')}-{digest}"
