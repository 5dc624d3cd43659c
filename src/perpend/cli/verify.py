"""`perpend verify`: check one answer, or a file of answers, with a verifier."""

import asyncio
import sys
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter
from msgspec import Struct

from perpend.cli.console import note, print_json, print_row, pull_progress
from perpend.cli.named import named
from perpend.cli.options import ConfigFile, Flag, Json
from perpend.config import Config, load_config
from perpend.errors import UNREADABLE, BadRequest, PerpendError, VerifierFailed
from perpend.types import Candidate, Verdict, VerifierSpec

if TYPE_CHECKING:  # verifiers that ask no model needn't load an engine
    from perpend.solve.auxiliary_call import AuxiliaryCalls
    from perpend.verifiers import Verifier

_AT_ONCE = 64


class _Row(Struct):
    pred: str
    gold: str | None = None
    question: str = ""
    thinking: str = ""
    label: bool | None = None
    """Whether it's right, for --agreement."""


class _Unchecked(Struct):
    """Printed in place of a verdict where a row's gold can't be read or the verifier fails."""

    feedback: str
    error: str
    score: float = 0.0
    passed: bool = False


class _File(Struct, frozen=True):
    path: Path
    rows: dict[int, _Row]
    """By their lines."""


Check = Callable[[_Row], Awaitable[Verdict]]


class _Checker(Struct, frozen=True):
    check: Check
    at_once: int


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """One answer, and what it's checked against."""

    gold: str | None = None
    """The right answer; for regex a pattern, for schema a JSON schema, for code its tests."""
    answer: str | None = None
    """What is to be checked: an answer, or a whole solution that ends in one."""
    question: str = ""
    """What was asked, for verifiers that a model judges for."""
    thinking: str = ""
    """The thinking that led to the answer."""


def verify(
    kind: str,
    /,
    *,
    given: AnswerOptions = AnswerOptions(),
    jsonl: Annotated[
        Path | None,
        Parameter(
            allow_leading_hyphen=True,
            help='Rows {"pred"}, and "gold", "question", "thinking", "label" where needed; "-": stdin.',
        ),
    ] = None,
    agreement: Flag = False,
    model: str | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    r"""Check an answer, and print the verdict as JSON.

    With --answer the exit status is 0 where it passed and 1 where it didn't; with --jsonl it's 1 where rows couldn't be
    checked: each of these has an "error" and the reason as its feedback, and the others are checked all the same.

    Examples: `perpend verify math --gold '\frac12' --answer 'So it is 0.5.'`, `perpend verify math --jsonl rows.jsonl`,
    `perpend verify '{"name": "judge", "rubric": "It is polite."}' --question 'Who are you?' --answer 'Go away.'`

    Parameters
    ----------
    kind
        A verifier's name, such as math, or an object with its name and options; see docs/guides/verifiers.md.
    agreement
        Print how well the verdicts of --jsonl agree with the rows' labels (true where "pred" is right): their
        number, Cohen's kappa, and the threshold of the score that agrees best.
    model
        The model that a judge, process_reward or self_score asks.
    json
        It's JSON without this, too.
    """
    from perpend.verifiers import verifier_spec

    spec = verifier_spec(named(kind, "KIND"), "KIND")
    if jsonl is None and given.answer is None:
        raise BadRequest(
            "nothing to check", hint="give --gold and --answer, or --jsonl FILE", field="--answer"
        )
    loaded = load_config(config)
    if jsonl is not None:
        file = _File(jsonl, _rows(jsonl, labelled=agreement))
        asyncio.run(_check_rows(spec, file, model, loaded, agreement=agreement))
    elif given.answer is not None:
        row = _Row(given.answer, given.gold, given.question, given.thinking)
        if not asyncio.run(_check_one(spec, row, model, loaded)):
            raise SystemExit(1)


async def _check_one(spec: VerifierSpec, row: _Row, model: str | None, config: Config) -> bool:
    async with _open_checker(spec, model, config) as checker:
        verdict = await checker.check(row)
    print_row(verdict)
    return verdict.passed


async def _check_rows(
    spec: VerifierSpec, file: _File, model: str | None, config: Config, *, agreement: bool
) -> None:
    """Print verdicts in the order of the rows, as they come. Raises SystemExit(1) at the end where some can't be
    checked.
    """
    checked: list[tuple[_Row, Verdict]] = []
    unchecked: list[str] = []
    async with _open_checker(spec, model, config) as checker:
        gate = asyncio.Semaphore(checker.at_once)

        async def verdict_or_error(row: _Row) -> Verdict | PerpendError:
            async with gate:
                try:
                    return await checker.check(row)
                except (BadRequest, VerifierFailed) as error:
                    return error

        tasks = {line: asyncio.create_task(verdict_or_error(row)) for line, row in file.rows.items()}
        try:
            for line, task in tasks.items():
                result = await task
                if isinstance(result, Verdict):
                    checked.append((file.rows[line], result))
                else:
                    unchecked.append(f"line {line}: {result.message}")
                if not agreement:
                    print_row(
                        result if isinstance(result, Verdict) else _Unchecked(result.message, result.code)
                    )
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
    if agreement and checked:
        _print_agreement([verdict for _, verdict in checked], [bool(row.label) for row, _ in checked])
    if unchecked:
        more = f", and {len(unchecked) - 1} more" if len(unchecked) > 1 else ""
        note(f"perpend: {file.path} has rows that can't be checked: {unchecked[0]}{more}")
        raise SystemExit(1)


def _print_agreement(verdicts: list[Verdict], labels: list[bool]) -> None:
    from perpend.statistics import proportion
    from perpend.verifiers.agreement import agreement

    found = agreement(verdicts, labels)
    share = proportion(found.agreed, found.n)
    interval = {"estimate": share.estimate, "low": share.low, "high": share.high}
    print_json({**msgspec.structs.asdict(found), "agreement": interval})


@asynccontextmanager
async def _open_checker(
    spec: VerifierSpec, model: str | None, config: Config
) -> AsyncGenerator[_Checker, None]:
    from perpend.runtime import Verifiers
    from perpend.verifiers import Task

    def checker(verifier: "Verifier", judge: "AuxiliaryCalls | None") -> _Checker:
        async def check(row: _Row) -> Verdict:
            gold = spec.gold if row.gold is None else row.gold
            task = Task(question=row.question, gold=gold, model=judge)
            return await verifier.verify(task, Candidate(answer=row.pred, thinking=row.thinking))

        return _Checker(check, _AT_ONCE if judge is None else judge.call_context.model.width())

    async with aclosing(Verifiers(config)) as verifiers, aclosing(verifiers.get(spec)) as verifier:
        if verifier.needs_model:
            async with _judge(model, config) as judge:
                yield checker(verifier, judge)
        else:
            yield checker(verifier, None)


@asynccontextmanager
async def _judge(model: str | None, config: Config) -> AsyncGenerator["AuxiliaryCalls", None]:
    from perpend.runtime import Runtime

    async with await Runtime.open(config) as runtime:
        with pull_progress() as listener:
            await runtime.prepare(model, listener)
        async with runtime.asking(model, "verify") as judge:
            yield judge


def _rows(path: Path, *, labelled: bool) -> dict[int, _Row]:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}", field="--jsonl") from None
    rows: dict[int, _Row] = {}
    for number, line in enumerate(data.removeprefix(BOM_UTF8).splitlines(), 1):
        if line.strip():
            try:
                rows[number] = msgspec.json.decode(line, type=_Row)
            except UNREADABLE as error:
                hint = 'each line is an object with "pred", and "gold" where the verifier needs one'
                raise BadRequest(f"{path}:{number}: {error}", hint=hint, field="--jsonl") from None
            if labelled and rows[number].label is None:
                raise BadRequest(f'{path}:{number}: it has no "label"', hint="true or false", field="--jsonl")
    if labelled and not rows:
        raise BadRequest(f"{path} has no rows", field="--jsonl")
    return rows
