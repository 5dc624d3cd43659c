"""Complete a run over problems: shared by `run`, `decide` and `audit`."""

import datetime
import os
import platform
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import (
    AbstractAsyncContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
    redirect_stdout,
)
from importlib.metadata import version
from pathlib import Path
from typing import Any

from perpend.cli.console import note, pull_progress
from perpend.cli.option_groups import PaceOptions
from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.evals.problems import Problem
from perpend.evals.runs.fleet import fleet
from perpend.evals.runs.folder import Header, RunFolder
from perpend.evals.runs.grading import Grader, JudgeFactory
from perpend.evals.runs.run import Run, RunListener, RunProgress
from perpend.evals.runs.samples import RunSettings, row_of
from perpend.evals.runs.targets import Gateway, Local, Target
from perpend.evals.stats.summary import Summary, summary
from perpend.runtime import Runtime, Verifiers


async def finish_run(
    settings: RunSettings,
    problems: list[Problem],
    config: Config,
    path: Path,
    pace: PaceOptions,
    target_context: AbstractAsyncContextManager[Target],
) -> tuple[RunProgress, Summary]:
    """Ask and grade the samples that the folder at `path` lacks; its progress, and the summary of all samples.

    `target_context` is entered once the folder is known to be this run's. Raises BadRequest, before anything is asked,
    where the folder is another run's or a verifier doesn't exist; PerpendError that every sample would meet.
    """
    header = Header(settings=settings, started=_now(), versions=_versions(), machine=_machine())
    with RunFolder.open(path, header, problems) as folder:
        if folder.samples:
            note(f"going on with {path}: {len(folder.samples)} samples are there")
        async with (
            aclosing(Verifiers(config)) as verifiers,
            target_context as target,
            _judge_factory(_needs_judge(problems, verifiers), target, settings, config) as open_judge,
            aclosing(Grader(verifiers.get, open_judge)) as grader,
        ):
            run = Run(
                problems,
                folder,
                target,
                grader,
                at_once=pace.parallel,
                max_cost_usd=pace.max_cost,
            )
            with _progress_bar() as listener:
                progress = await run.finish(listener)
        return progress, summary([row_of(sample, settings) for sample in folder.samples])


@asynccontextmanager
async def local_target(model: str | None, config: Config) -> AsyncGenerator[Target, None]:
    """A model of this process, made ready. Raises NotFound where it doesn't exist, EngineError where it can't start."""
    async with await Runtime.open(config) as runtime, shared_target(model, runtime) as target:
        yield target


@asynccontextmanager
async def shared_target(model: str | None, runtime: Runtime) -> AsyncGenerator[Target, None]:
    """As `local_target`, in an open runtime that several runs share."""
    await _prepare(runtime, model)
    yield Local(runtime)


@asynccontextmanager
async def gateway_target(url: str, key_env: str | None) -> AsyncGenerator[Target, None]:
    """A gateway whose API begins at `url`. Raises BadRequest where the variable `key_env` isn't set."""
    async with aclosing(Gateway(url, _key(key_env))) as gateway:
        yield gateway


@asynccontextmanager
async def fleet_target(
    model: str | None, engines: int | None, config: Config
) -> AsyncGenerator[Target, None]:
    """Engines of a Ray cluster; `engines` None: one on each node. Raises ConfigError where none can be started."""
    with redirect_stdout(sys.stderr):  # Ray prints about its nodes, and stdout is for results
        async with fleet(config, model, engines) as target:
            yield target


async def _prepare(runtime: Runtime, model: str | None) -> None:
    with pull_progress() as listener:
        await runtime.prepare(model, listener)


def _key(variable: str | None) -> str | None:
    if variable is not None and not os.environ.get(variable):
        raise BadRequest(f"{variable} isn't set", hint=f"export {variable}=…", field="--key-env")
    return None if variable is None else os.environ[variable]


def _needs_judge(problems: list[Problem], verifiers: Verifiers) -> bool:
    """Whether any problem's verifier asks a model. Raises BadRequest for a verifier that doesn't exist."""
    specs = [problem.verifier for problem in problems if problem.verifier is not None]
    built = [verifiers.get(spec) for spec in specs]
    return any(verifier.needs_model for verifier in built)


@asynccontextmanager
async def _judge_factory(
    needed: bool, target: Target, settings: RunSettings, config: Config
) -> AsyncGenerator[JudgeFactory | None, None]:
    """Opens judges, which are models of this process, whatever the target; None where none is needed."""
    model = settings.model if settings.target == "local" else None
    if not needed:
        yield None
    elif isinstance(target, Local):
        yield lambda: target.runtime.asking(model, "eval")
    else:
        async with await Runtime.open(config) as runtime:
            await _prepare(runtime, model)
            yield lambda: runtime.asking(model, "eval")


@contextmanager
def _progress_bar() -> Generator[RunListener, None, None]:
    """A listener that shows a bar with ETA, accuracy so far and cost, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def show(progress: RunProgress) -> None:
            cost = "cost unknown" if progress.cost_usd is None else f"${progress.cost_usd:.4f}"
            line = f"{progress.right / max(1, progress.done):.1%} right, {cost}"
            failed = f", {progress.failed} failed" if progress.failed else ""
            bar.update(task, completed=progress.done, total=progress.total, description=line + failed)

        yield show


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    return {"perpend": version("perpend"), "python": platform.python_version()}


def _machine() -> dict[str, Any]:
    return {"system": platform.platform(), "cores": os.cpu_count()}
