"""Make an audit's traces, then ask its probes."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from perpend.cli.console import pull_progress
from perpend.cli.eval.audit_options import ProbeOptions, TraceOptions
from perpend.cli.eval.finish import finish_run, local_target
from perpend.cli.option_groups import DrawOptions, PaceOptions
from perpend.config.load import home_dir
from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.evals.audits.audit import Audited, Auditor
from perpend.evals.problems import fingerprint
from perpend.evals.runs.samples import RunSettings
from perpend.evals.suites.catalogue import load
from perpend.runtime import Runtime
from perpend.verifiers import Task
from perpend.verifiers.process_reward import ProcessReward


def traced(
    suite: str, traces: TraceOptions, draw: DrawOptions, parallel: int, out: Path | None, config: Config
) -> Path:
    """Make the traces, and return their run's folder. Raises BadRequest for a model that can't continue a given
    thought.
    """
    home, model = home_dir(config), traces.model
    problems = load(suite, home, limit=draw.limit, seed=draw.seed)
    settings = RunSettings(
        suite=suite,
        problems=tuple(problem.id for problem in problems),
        fingerprint=fingerprint(problems),
        target="local",
        model=model,
        max_thinking_tokens=traces.max_thinking_tokens,
        temperature=traces.temperature,
        seed=draw.seed,
    )
    name = f"audit-{settings.fingerprint}-{model or 'default'}-{traces.max_thinking_tokens}"
    folder = out or home / "runs" / name
    asyncio.run(_check_prefix_support(config, model))
    pace = PaceOptions(parallel=parallel)
    asyncio.run(finish_run(settings, problems, config, folder, pace, local_target(model, config)))
    return folder


async def _check_prefix_support(config: Config, model: str | None) -> None:
    """Refuse a model that can't continue a given thought, before its traces are paid for."""
    async with await Runtime.open(config) as runtime:
        if not (served := runtime.models.resolve(model)).backend.supports_prefix:
            raise BadRequest(
                f"{served.name!r} can't be given a thought as its own",
                hint="audit one behind raw completion, such as an embedded one",
                field="--model",
            )


async def finish_audit(audited: Audited, config: Config, probes: ProbeOptions) -> None:
    """Ask the missing probes. Raises BadRequest where the run's model isn't one of this process."""
    if audited.run.target != "local":
        raise BadRequest(
            "only runs of this process's own models are audited",
            hint="run it with --target local",
            field="--run",
        )
    async with await Runtime.open(config) as runtime:
        with pull_progress() as listener:
            await runtime.prepare(audited.run.model, listener)
        solve, verifiers = partial(runtime.solve, source="eval"), runtime.verifiers.get
        with _progress_bar() as listener:
            if not probes.rewards:
                await Auditor(audited, solve, verifiers, at_once=probes.parallel).finish(listener)
                return
            async with runtime.asking(audited.run.model, "eval") as judge:

                async def score(question: str, steps: Sequence[str]) -> list[float]:
                    return await ProcessReward().rewards(Task(question=question, model=judge), steps)

                await Auditor(audited, solve, verifiers, at_once=probes.parallel, score=score).finish(
                    listener
                )


@contextmanager
def _progress_bar() -> Generator[Callable[[int, int], None], None, None]:
    """A bar with its ETA, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("traces audited"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
