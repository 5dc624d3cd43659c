"""`perpend eval run`: a suite's problems asked and graded; goes on where it was stopped."""

import asyncio
import datetime
import os
import platform
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager, nullcontext, redirect_stdout
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Struct

from perpend.cli.console import note, print_json, pull_progress
from perpend.cli.eval.forecast import foreseen, print_forecast
from perpend.cli.named import named, text_of
from perpend.cli.options import EFFORT, ConfigFile, Count, Degree, Dollars, Flag, Json, Thinking, Whole
from perpend.config import load_config
from perpend.config.load import home_dir
from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.evals.problems import Problem, asked_otherwise
from perpend.evals.runs.fleet import fleet
from perpend.evals.runs.folder import Header, RunFolder
from perpend.evals.runs.grading import Grader, Judging
from perpend.evals.runs.run import Heard, Run, RunProgress, fingerprint
from perpend.evals.runs.samples import RunSettings, row_of
from perpend.evals.runs.targets import Gateway, Local, Target
from perpend.evals.stats.summary import Summary, summary
from perpend.evals.suites.catalogue import load
from perpend.runtime import Runtime, Verifiers
from perpend.strategies import strategy_spec, with_options
from perpend.types import Effort
from perpend.verifiers import verifier_spec


def run(  # noqa: PLR0913 -- each parameter is an option of the command line
    suite: str,
    /,
    *,
    model: str | None = None,
    effort: Annotated[Effort | None, EFFORT] = None,
    max_thinking_tokens: Thinking = None,
    max_tokens: Count | None = None,
    system: str | None = None,
    verifier: str | None = None,
    strategy: str = "single",
    samples: Count = 1,
    limit: Count | None = None,
    temperature: Degree | None = None,
    seed: Whole = 0,
    since: str | None = None,
    before: str | None = None,
    parallel: Count = 4,
    max_cost: Dollars = None,
    target: str = "local",
    key_env: str | None = None,
    on: Literal["here", "ray"] = "here",
    engines: Count | None = None,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Json = False,
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
    model
        Default: the config's, or the gateway's.
    effort
        none, minimal, low, medium, high or max.
    max_thinking_tokens
        Thinking tokens of each sample.
    max_tokens
        Thinking and answer together.
    system
        The system message of every question: a text, or a file that holds it.
    verifier
        Checks every answer, in place of the suite's own: a name, or a JSON object.
    strategy
        A name, or a JSON object such as {"name": "self_consistency", "n": 8}.
    samples
        Of each problem.
    limit
        So many problems, drawn by the seed.
    temperature
        0 for the likeliest words.
    seed
        Every sample has a seed of its own, made from this one.
    since
        Only problems from this date on: 2025, 2025-03 or 2025-03-31.
    before
        Only problems from before this date.
    parallel
        Ask so many at a time.
    max_cost
        US dollars for the whole run: it stops before it would cost more.
    target
        `local`, or where a gateway's API begins.
    key_env
        The environment variable that holds the gateway's key.
    on
        `ray`: on many engines of a Ray cluster (needs the extra `ray`). RAY_ADDRESS names it.
    engines
        So many of them; default: one on each node.
    out
        The run's folder; default: one in PERPEND_HOME named by its settings.
    dry_run
        Say what it would take, in tokens, dollars and time: at most, and as earlier requests did. Nothing is asked.
    json
        Print an object.
    """
    loaded = load_config(config)
    problems = load(suite, home_dir(loaded), limit=limit, seed=seed, since=since, before=before)
    system = None if system is None else text_of(system)
    checked = None if verifier is None else named(verifier, "--verifier")
    problems = _otherwise(problems, system, checked)
    settings = RunSettings(
        suite=suite,
        problems=tuple(problem.id for problem in problems),
        fingerprint=fingerprint(problems),
        system=system,
        verifier=checked,
        target=target,
        model=model,
        effort=effort,
        max_thinking_tokens=max_thinking_tokens,
        max_output_tokens=max_tokens,
        strategy=named(strategy, "--strategy"),
        samples=samples,
        temperature=temperature,
        seed=seed,
    )
    _refuse(settings, on)
    if dry_run:
        found = asyncio.run(foreseen(settings, problems, loaded, parallel))
        print_json(found) if json else print_forecast(found, gateway=target != "local")
        return
    folder = out or home_dir(loaded) / "runs" / _name(settings)
    options = RunOptions(parallel, max_cost, key_env, on, engines)
    progress, found = asyncio.run(finish_run(settings, problems, loaded, folder, options))
    _tell(found, progress, folder, json)
    if progress.stopped or 0 < progress.wanted <= progress.failed:
        raise SystemExit(1)


def _refuse(settings: RunSettings, on: str) -> None:
    with_options(strategy_spec(settings.strategy, "--strategy"))
    if settings.target != "local" and not settings.target.startswith(("http://", "https://")):
        raise BadRequest(f"--target {settings.target!r} is neither local nor a web address", field="--target")
    if on == "ray" and settings.target != "local":
        raise BadRequest("a gateway isn't asked by way of Ray", hint="leave --on out", field="--on")


def _otherwise(problems: list[Problem], system: str | None, verifier: Any) -> list[Problem]:
    spec = None if verifier is None else verifier_spec(verifier, "--verifier")
    return [asked_otherwise(problem, system=system, verifier=spec) for problem in problems]


class RunOptions(Struct, frozen=True):
    """How a run is made: nothing that decides its answers."""

    parallel: int
    max_cost_usd: Decimal | None = None
    key_env: str | None = None
    on: Literal["here", "ray"] = "here"
    engines: int | None = None
    """Of `ray`; None: one on each node."""


async def finish_run(
    settings: RunSettings,
    problems: list[Problem],
    config: Config,
    path: Path,
    options: RunOptions,
    runtime: Runtime | None = None,
) -> tuple[RunProgress, Summary]:
    """Answers what the folder at `path` lacks; how far that came, and what all its samples amount to.

    `runtime` is one that is open already, for several runs.
    """
    header = Header(settings=settings, started=_now(), versions=_versions(), machine=_machine())
    with RunFolder.open(path, header, problems) as folder:
        if folder.samples:
            note(f"going on with {path}: {len(folder.samples)} samples are there")
        async with (
            aclosing(Verifiers(config)) as verifiers,
            _target(settings, config, options, runtime) as target,
            _judging(_asks_a_model(problems, verifiers), target, settings, config) as judging,
            aclosing(Grader(verifiers.get, judging)) as grader,
        ):
            run = Run(
                problems,
                folder,
                target,
                grader,
                at_once=options.parallel,
                max_cost_usd=options.max_cost_usd,
            )
            with _shown() as heard:
                progress = await run.finish(heard)
        return progress, summary([row_of(sample, settings) for sample in folder.samples])


@asynccontextmanager
async def _target(
    settings: RunSettings, config: Config, options: RunOptions, runtime: Runtime | None
) -> AsyncGenerator[Target, None]:
    if settings.target != "local":
        gateway = Gateway(settings.target, _key(options.key_env))
        try:
            yield gateway
        finally:
            await gateway.aclose()
        return
    if options.on == "ray":
        with redirect_stdout(sys.stderr):  # what Ray has to say of its nodes is no answer
            async with fleet(config, settings.model, options.engines) as target:
                yield target
        return
    async with nullcontext(runtime) if runtime else await Runtime.open(config) as here:
        with pull_progress() as listener:
            await here.prepare(settings.model, listener)
        yield Local(here)


def _key(variable: str | None) -> str | None:
    if variable is not None and not os.environ.get(variable):
        raise BadRequest(f"{variable} isn't set", hint=f"export {variable}=…", field="--key-env")
    return None if variable is None else os.environ[variable]


def _asks_a_model(problems: list[Problem], verifiers: Verifiers) -> bool:
    """Whether any of their verifiers does. Raises BadRequest for one that there isn't, before anything is asked."""
    specs = [problem.verifier for problem in problems if problem.verifier is not None]
    found = [verifiers.get(spec) for spec in specs]
    return any(verifier.needs_model for verifier in found)


@asynccontextmanager
async def _judging(
    needed: bool, target: Target, settings: RunSettings, config: Config
) -> AsyncGenerator[Judging | None, None]:
    """Judges are models of this process, whoever answers."""
    model = settings.model if settings.target == "local" else None
    if not needed:
        yield None
    elif isinstance(target, Local):
        yield lambda: target.runtime.asking(model, "eval")
    else:
        async with await Runtime.open(config) as runtime:
            with pull_progress() as listener:
                await runtime.prepare(model, listener)
            yield lambda: runtime.asking(model, "eval")


@contextmanager
def _shown() -> Generator[Heard, None, None]:
    """A bar with its ETA, what is right so far, and the cost; on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def heard(progress: RunProgress) -> None:
            cost = "cost unknown" if progress.cost_usd is None else f"${progress.cost_usd:.4f}"
            said = f"{progress.right / max(1, progress.done):.1%} right, {cost}"
            failed = f", {progress.failed} failed" if progress.failed else ""
            bar.update(task, completed=progress.done, total=progress.wanted, description=said + failed)

        yield heard


def _tell(found: Summary, progress: RunProgress, folder: Path, json: bool) -> None:
    from perpend.cli.eval.stats import print_summary

    if json:
        facts = {"n": found.problems, "accuracy": found.at_k["pass@1"], "folder": folder, **found.facts()}
        print_json({**facts, "stopped": progress.stopped, "failed": progress.failed})
        return
    print_summary(found)
    if progress.failed:
        print(f"{progress.failed} samples failed and count as wrong: see error in {folder}/samples.jsonl")
    if progress.stopped:
        print(f"stopped: {progress.stopped}; {progress.done} of {progress.wanted} samples are there")
    note(f"kept in {folder}")


def _name(settings: RunSettings) -> str:
    """Says what is in it, and differs where any setting does."""
    import hashlib

    import msgspec

    digest = hashlib.sha256(msgspec.json.encode(settings)).hexdigest()[:8]
    suite = Path(settings.suite).stem.replace("/", "-")
    return f"{suite}-{(settings.model or 'default').replace('/', '-')}-{digest}"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    return {"perpend": version("perpend"), "python": platform.python_version()}


def _machine() -> dict[str, Any]:
    return {"system": platform.platform(), "cores": os.cpu_count()}
