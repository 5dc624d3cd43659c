"""`perpend eval audit`: do answers follow the thoughts before them?"""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from perpend.cli.console import note, print_json, pull_progress
from perpend.cli.eval.finish import finish_run, local_target
from perpend.cli.option_groups import DrawOptions, PaceOptions
from perpend.cli.options import THINKING, ConfigFile, Count, Degree, Flag, Json, Tokens, Whole
from perpend.cli.store import print_table
from perpend.config import load_config
from perpend.config.load import home_dir
from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.evals.audits.audit import Audited, Auditor, AuditSettings
from perpend.evals.audits.faithfulness import Audit
from perpend.evals.audits.faithfulness import audit as audit_of
from perpend.evals.reports.audit_report import HEADINGS, lines, told
from perpend.evals.runs.folder import copied
from perpend.evals.runs.run import fingerprint
from perpend.evals.runs.samples import RunSettings
from perpend.evals.suites.catalogue import load
from perpend.runtime import Runtime
from perpend.verifiers import Task
from perpend.verifiers.process_reward import ProcessReward


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TraceOptions:
    """How the whole traces are made."""

    model: str | None = None
    """Default: the config's."""
    max_thinking_tokens: Annotated[Tokens, THINKING] = 512
    """Thinking tokens of each trace."""
    temperature: Degree | None = None
    """Of the traces; answers from perturbed ones have 0."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AuditDrawOptions(DrawOptions):
    """Whose traces are made, and with what seed."""

    limit: Count | None = 120
    """So many problems, drawn by the seed."""
    seed: Whole = 0
    """Of the draw, the traces and what is planted."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """How the model answers from perturbed traces."""

    answer_tokens: Count = 32
    """Of each answer from a perturbed trace."""
    rewards: Flag = False
    """Let the model score each step of the whole traces, as the verifier `process_reward` does."""
    parallel: Count = 4
    """So many problems at a time."""


def audit(
    suite: str | None = None,
    /,
    *,
    run: Path | None = None,
    traces: TraceOptions = TraceOptions(),
    draw: AuditDrawOptions = AuditDrawOptions(),
    probes: ProbeOptions = ProbeOptions(),
    out: Path | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Perturb a model's traces, answer from each again, and tell how far the answers go along.

    A trace is cut, a step of it made wrong, another conclusion planted, or another problem's trace put in its place;
    the model answers from it as from a thought of its own. That takes raw completion, as embedded models have it. An
    audit that was stopped, or killed, goes on with the same command.

    Examples:

    - `perpend eval audit gsm8k --model qwen2.5-coder-1.5b --limit 120 --max-thinking-tokens 320 --out runs/audit`
    - `perpend eval audit --run runs/a --json`

    Parameters
    ----------
    suite
        Whose problems are asked first: a name of `perpend eval suites`, or a .jsonl or .csv file of your own.
    run
        The folder of a run whose traces are there already, in place of a suite.
    out
        The run's folder; default: one in PERPEND_HOME named by its settings. With --run, its copy
        that is audited.
    json
        Print an object.
    """
    if (suite is None) == (run is None):
        raise BadRequest(
            "name a suite, or a run", hint="perpend eval audit gsm8k, or --run FOLDER", field="--run"
        )
    loaded = load_config(config)
    if run is None:
        assert suite is not None
        run = _traced(suite, traces, draw, probes.parallel, out, loaded)
    elif out is not None:
        run = copied(run, out)
    with Audited(run, AuditSettings(seed=draw.seed, answer_tokens=probes.answer_tokens)) as audited:
        if not audited.done(rewards=probes.rewards):
            asyncio.run(_finish(audited, loaded, probes))
        found = audit_of(audited.probes.rows, audited.rewards.rows)
    if found is None:
        raise BadRequest(f"no trace of {run} leads to an answer", hint="see audit.jsonl there", field="--run")
    if json:
        print_json({"folder": run, "audit": found})
    else:
        _print(found)
        note(f"kept in {run}; `perpend eval report {run} --out audit.md` tells of it")


def _traced(
    suite: str, traces: TraceOptions, draw: DrawOptions, parallel: int, out: Path | None, config: Config
) -> Path:
    """The folder of a run whose traces are to be audited, finished."""
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
    asyncio.run(_refuse_chat(config, model))
    pace = PaceOptions(parallel=parallel)
    asyncio.run(finish_run(settings, problems, config, folder, pace, local_target(model, config)))
    return folder


async def _refuse_chat(config: Config, model: str | None) -> None:
    """Before traces are paid for that couldn't be given back."""
    async with await Runtime.open(config) as runtime:
        if not (served := runtime.models.resolve(model)).backend.supports_prefix:
            raise BadRequest(
                f"{served.name!r} can't be given a thought as its own",
                hint="audit one behind raw completion, such as an embedded one",
                field="--model",
            )


async def _finish(audited: Audited, config: Config, probes: ProbeOptions) -> None:
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
        with _shown() as heard:
            if not probes.rewards:
                await Auditor(audited, solve, verifiers, at_once=probes.parallel).finish(heard)
                return
            async with runtime.asking(audited.run.model, "eval") as asked:

                async def score(question: str, steps: Sequence[str]) -> list[float]:
                    return await ProcessReward().rewards(Task(question=question, model=asked), steps)

                await Auditor(audited, solve, verifiers, at_once=probes.parallel, score=score).finish(heard)


@contextmanager
def _shown() -> Generator[Callable[[int, int], None], None, None]:
    """A bar with its ETA, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("traces audited"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _print(found: Audit) -> None:
    from rich.table import Table

    for said in told(found):
        print(said)
    table = Table(*HEADINGS)
    for line in lines(found):
        table.add_row(*line)
    print_table(table)
