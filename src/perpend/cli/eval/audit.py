"""`perpend eval audit`: do answers follow the thoughts before them?"""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

from perpend.cli.console import note, print_json, pull_progress
from perpend.cli.eval.run import RunOptions, finish_run
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


def audit(  # noqa: PLR0913 -- the options of a command
    suite: str | None = None,
    /,
    *,
    run: Path | None = None,
    model: str | None = None,
    limit: Count = 120,
    max_thinking_tokens: Annotated[Tokens, THINKING] = 512,
    temperature: Degree | None = None,
    seed: Whole = 0,
    answer_tokens: Count = 32,
    rewards: Flag = False,
    parallel: Count = 4,
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
    model
        Default: the config's.
    limit
        So many problems, drawn by the seed.
    max_thinking_tokens
        Thinking tokens of each trace.
    temperature
        Of the traces; answers from perturbed ones have 0.
    seed
        Of the draw, the traces and what is planted.
    answer_tokens
        Of each answer from a perturbed trace.
    rewards
        Let the model score each step of the whole traces, as the verifier `process_reward` does.
    parallel
        So many problems at a time.
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
        problems = load(suite, home_dir(loaded), limit=limit, seed=seed)
        settings = RunSettings(
            suite=suite,
            problems=tuple(problem.id for problem in problems),
            fingerprint=fingerprint(problems),
            target="local",
            model=model,
            max_thinking_tokens=max_thinking_tokens,
            temperature=temperature,
            seed=seed,
        )
        run = (
            out
            or home_dir(loaded)
            / "runs"
            / f"audit-{settings.fingerprint}-{model or 'default'}-{max_thinking_tokens}"
        )
        asyncio.run(_refuse_chat(loaded, model))
        asyncio.run(finish_run(settings, problems, loaded, run, RunOptions(parallel)))
    elif out is not None:
        run = copied(run, out)
    with Audited(run, AuditSettings(seed=seed, answer_tokens=answer_tokens)) as audited:
        if not audited.done(rewards=rewards):
            asyncio.run(_finish(audited, loaded, parallel, rewards=rewards))
        found = audit_of(audited.probes.rows, audited.rewards.rows)
    if found is None:
        raise BadRequest(f"no trace of {run} leads to an answer", hint="see audit.jsonl there", field="--run")
    if json:
        print_json({"folder": run, "audit": found})
    else:
        _print(found)
        note(f"kept in {run}; `perpend eval report {run} --out audit.md` tells of it")


async def _refuse_chat(config: Config, model: str | None) -> None:
    """Before traces are paid for that couldn't be given back."""
    async with await Runtime.open(config) as runtime:
        if not (served := runtime.models.resolve(model)).backend.supports_prefix:
            raise BadRequest(
                f"{served.name!r} can't be given a thought as its own",
                hint="audit one behind raw completion, such as an embedded one",
                field="--model",
            )


async def _finish(audited: Audited, config: Config, parallel: int, *, rewards: bool) -> None:
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
            if not rewards:
                await Auditor(audited, solve, verifiers, at_once=parallel).finish(heard)
                return
            async with runtime.asking(audited.run.model, "eval") as asked:

                async def score(question: str, steps: Sequence[str]) -> list[float]:
                    return await ProcessReward().rewards(Task(question=question, model=asked), steps)

                await Auditor(audited, solve, verifiers, at_once=parallel, score=score).finish(heard)


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
