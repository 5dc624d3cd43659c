"""Logs of inspect-ai (version 2 of its format): `.eval`, a zip of JSON files, and `.json`, all in one."""

import sys
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from perpend.accounting.prices import together
from perpend.errors import BadRequest, ConfigError
from perpend.evals.interop.foreign import FAILED, GRADED_BY, ForeignRun, decode, mark_verdict
from perpend.evals.problems import Problem, fingerprint
from perpend.evals.runs.folder import Header
from perpend.evals.runs.samples import RunSettings, Sample
from perpend.extras import install
from perpend.types import Effort, Message, Role, StopReason, Usage, Verdict, VerifierSpec

_STOPS: dict[str, StopReason] = {
    "stop": "stop",
    "max_tokens": "answer_tokens",
    "model_length": "answer_tokens",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_LIMITS: dict[str, StopReason] = {
    "token": "answer_tokens",
    "cost": "cost_cap",
    "time": "deadline",
    "working": "deadline",
}
_MARKS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""inspect-ai's letters for correct, partial, incorrect and no answer, and the words that it reads as marks."""


class _Part(Struct):
    type: str
    text: str = ""
    reasoning: str = ""
    summary: str | None = None
    redacted: bool = False

    @property
    def thought(self) -> str:
        """The reasoning; of redacted reasoning, which is encrypted, the summary."""
        return (self.summary or "") if self.redacted else self.reasoning


class _Message(Struct):
    role: Role
    content: str | list[_Part] = ""
    source: str | None = None

    @property
    def text(self) -> str:
        parts = self.content
        return (
            parts if isinstance(parts, str) else "".join(part.text for part in parts if part.type == "text")
        )

    @property
    def thinking(self) -> str:
        parts = [] if isinstance(self.content, str) else self.content
        return "\n\n".join(part.thought for part in parts if part.type == "reasoning")


class _Choice(Struct):
    message: _Message
    stop_reason: str = "unknown"


class _Output(Struct):
    model: str = ""
    choices: list[_Choice] = []


class _Usage(Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_cache_read: int | None = None
    input_tokens_cache_write: int | None = None
    reasoning_tokens: int | None = None
    total_cost: float | None = None

    @property
    def counts(self) -> Usage:
        """Tokens as Perpend counts them: inspect-ai's input leaves out cached ones, and its output includes
        thinking.
        """
        cached, thinking = self.input_tokens_cache_read or 0, self.reasoning_tokens or 0
        whole = self.input_tokens + cached + (self.input_tokens_cache_write or 0)
        return Usage(whole, cached, thinking, max(0, self.output_tokens - thinking))


class _Score(Struct):
    value: Any
    explanation: str | None = None


class _Limit(Struct):
    type: str


class _Sample(Struct):
    id: int | str
    epoch: int
    input: str | list[_Message]
    target: str | list[str]
    messages: list[_Message] = []
    output: _Output = msgspec.field(default_factory=_Output)
    scores: dict[str, _Score] | None = None
    model_usage: dict[str, _Usage] = {}
    total_time: float | None = None
    error: Any = None
    limit: _Limit | None = None


class _Generation(Struct):
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    reasoning_tokens: int | None = None


class _Config(Struct):
    epochs: int | None = None


class _Dataset(Struct):
    sample_ids: list[int | str] | None = None


class _Eval(Struct):
    created: str
    task: str
    model: str
    model_base_url: str | None = None
    model_generate_config: _Generation = msgspec.field(default_factory=_Generation)
    config: _Config = msgspec.field(default_factory=_Config)
    dataset: _Dataset = msgspec.field(default_factory=_Dataset)
    packages: dict[str, str] = {}


class _Plan(Struct):
    config: _Generation = msgspec.field(default_factory=_Generation)


class _Log(Struct):
    eval: _Eval
    plan: _Plan = msgspec.field(default_factory=_Plan)
    samples: list[_Sample] | None = None


def read(path: Path, scorer: str | None = None) -> ForeignRun:
    """Read a log. `scorer`: whose marks count; default: the first one's.

    Raises BadRequest where the log can't be read, ConfigError where reading it needs a package.
    """
    log, samples = _read_zip(path) if path.suffix == ".eval" else _read_json(path)
    # Samples are in the order of completion; the fingerprint needs the suite's order.
    positions = {str(id_): position for position, id_ in enumerate(log.eval.dataset.sample_ids or [])}
    samples.sort(key=lambda sample: (sample.epoch, positions.get(str(sample.id), len(positions))))
    problems = {str(sample.id): _problem(sample) for sample in samples}
    return ForeignRun(
        name=path.stem,
        header=Header(
            settings=_settings(log, list(problems.values())),
            started=log.eval.created,
            versions=log.eval.packages,
            machine={},
        ),
        problems=list(problems.values()),
        samples=[_sample(sample, scorer) for sample in samples],
    )


def _read_json(path: Path) -> tuple[_Log, list[_Sample]]:
    log = decode(path.read_bytes(), _Log, str(path))
    return log, log.samples or []


def _read_zip(path: Path) -> tuple[_Log, list[_Sample]]:
    module = _zipfile()
    try:
        with module.ZipFile(path) as files:
            names = [name for name in files.namelist() if name.startswith("samples/")]
            header = decode(files.read("header.json"), _Log, f"{path}: header.json")
            samples = [decode(files.read(name), _Sample, f"{path}: {name}") for name in names]
    except NotImplementedError:
        hint = f"{install('perpend[evals]')}; or inspect log convert FILE --to json --output-dir DIR"
        raise ConfigError(f"{path} is compressed with zstd, which isn't installed", hint=hint) from None
    except KeyError:
        hint = "a run that was stopped in the middle has none: inspect eval-retry FILE goes on with it"
        raise BadRequest(f"{path} has no header.json", hint=hint, field="FILE") from None
    except (OSError, module.BadZipFile) as error:
        raise BadRequest(f"{path}: {error}", field="FILE") from None
    return header, samples


def _zipfile() -> Any:
    """A zipfile module that reads zstd where there is one: Python's own from 3.14 on, else its backport."""
    try:
        return zipfile if sys.version_info >= (3, 14) else import_module("backports.zstd.zipfile")
    except ImportError:
        return zipfile


def _settings(log: _Log, problems: Sequence[Problem]) -> RunSettings:
    generation, planned_generation = log.eval.model_generate_config, log.plan.config
    effort = planned_generation.reasoning_effort or generation.reasoning_effort
    return RunSettings(
        suite=log.eval.task,
        problems=tuple(problem.id for problem in problems),
        fingerprint=fingerprint(problems),
        target=log.eval.model_base_url or "inspect-ai",
        model=log.eval.model,
        effort=msgspec.convert(effort, Effort) if effort in get_args(Effort) else None,
        max_thinking_tokens=planned_generation.reasoning_tokens or generation.reasoning_tokens,
        max_output_tokens=planned_generation.max_tokens or generation.max_tokens,
        samples=log.eval.config.epochs or 1,
        temperature=generation.temperature
        if planned_generation.temperature is None
        else planned_generation.temperature,
        seed=planned_generation.seed or generation.seed or 0,
    )


def _problem(sample: _Sample) -> Problem:
    """The problem with the whole prompt, including the task's examples and instructions."""
    prompt = list(
        takewhile(lambda message: message.role != "assistant" or message.source == "input", sample.messages)
    )
    question = [_Message("user", sample.input)] if isinstance(sample.input, str) else sample.input
    targets = [sample.target] if isinstance(sample.target, str) else sample.target
    return Problem(
        id=str(sample.id),
        messages=tuple(Message(message.role, message.text) for message in prompt or question),
        # Verifiers take one gold. With several targets there is none, and grading anew refuses.
        verifier=VerifierSpec(GRADED_BY, targets[0] if len(targets) == 1 else None),
    )


def _sample(sample: _Sample, scorer: str | None) -> Sample:
    counts = Usage()
    for used in sample.model_usage.values():
        counts += used.counts
    costs = [used.total_cost for used in sample.model_usage.values()]
    cost = together(None if cost is None else Decimal(str(cost)) for cost in costs)
    choice = sample.output.choices[0] if sample.output.choices else None
    if choice is None or sample.error is not None:
        return Sample(
            problem=str(sample.id), number=sample.epoch - 1, usage=counts, cost_usd=cost, error=FAILED
        )
    stop = (
        _STOPS.get(choice.stop_reason)
        if sample.limit is None
        else _LIMITS.get(sample.limit.type, "cancelled")
    )
    return Sample(
        problem=str(sample.id),
        number=sample.epoch - 1,
        answer=choice.message.text,
        thinking=choice.message.thinking,
        verdict=_verdict(sample, scorer),
        usage=counts,
        cost_usd=cost,
        seconds=sample.total_time or 0.0,
        truncated=stop not in ("stop", "tool_calls", None),
        stop_reason=stop,
        model_version=sample.output.model,
    )


def _verdict(sample: _Sample, scorer: str | None) -> Verdict | None:
    """None where there is no single mark."""
    scores = sample.scores or {}
    if scorer is not None and scores and scorer not in scores:
        raise BadRequest(
            f"no scorer named {scorer!r}", hint=f"there are {', '.join(scores)}", field="--scorer"
        )
    score = next(iter(scores.values()), None) if scorer is None else scores.get(scorer)
    return mark_verdict(None if score is None else _number(score.value))


def _number(mark: Any) -> Any:
    """A mark as a number: letters, words and numbers in texts are converted."""
    if not isinstance(mark, str):
        return mark
    known = _MARKS.get(mark, _MARKS.get(mark.lower()))
    try:
        return float(mark) if known is None else known
    except ValueError:
        return None
