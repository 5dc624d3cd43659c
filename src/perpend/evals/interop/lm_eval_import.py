"""Results of lm-evaluation-harness: `results_TIME.json`, and `samples_TASK_TIME.jsonl` beside it (`--log_samples`)."""

import datetime
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest
from perpend.evals.interop.foreign import GRADED_BY, ForeignRun, decode, mark_verdict
from perpend.evals.problems import Problem, fingerprint
from perpend.evals.runs.folder import Header
from perpend.evals.runs.samples import Attempt, RunSettings, Sample
from perpend.types import Effort, Message, Role, Usage, VerifierSpec

_SAMPLES = re.compile(r"samples_(.+)_(\d{4}-\d\d-\d\dT.+)\.jsonl")
_LIMITS = ("max_completion_tokens", "max_tokens", "max_new_tokens", "max_gen_toks")
"""Names of lm-evaluation-harness's models for the most output tokens."""


class _Turn(Struct):
    role: Role
    content: str | list[dict[str, Any]]

    @property
    def text(self) -> str:
        parts = self.content
        return parts if isinstance(parts, str) else "".join(str(part.get("text", "")) for part in parts)


class _Metric(Struct):
    metric: str = ""
    regexes_to_ignore: list[str] = []

    def read(self, target: str) -> str:
        """The target after the metric's `regexes_to_ignore`: GSM8K's is a whole solution, of which `.*#### ` is
        ignored.
        """
        text = target
        for pattern in self.regexes_to_ignore:
            text = re.sub(pattern, "", text)
        return text.strip() or target


class _Row(Struct):
    """A problem under one of the task's filters. Each metric's mark is a further key."""

    doc_id: int
    doc: dict[str, Any]
    target: Any
    arguments: dict[str, dict[str, Any]]
    """Of each request: `arg_0` is the prompt, `arg_1` its settings, or the continuation that was rated."""
    resps: list[list[Any]]
    filtered_resps: list[Any]
    filter: str = "none"
    metrics: list[str] = []

    @property
    def settings(self) -> dict[str, Any]:
        value = self.arguments["gen_args_0"].get("arg_1")
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}

    @property
    def choices(self) -> list[str]:
        """Continuations that were rated by likelihood; empty where the model generated text."""
        values = [value.get("arg_1") for value in self.arguments.values()]
        return [value.strip() for value in values if isinstance(value, str)]

    def gold(self, metric: _Metric) -> str:
        index = str(self.target)
        is_choice = index.isdigit() and int(index) < len(self.choices)
        return self.choices[int(index)] if is_choice else metric.read(index)

    @property
    def answers(self) -> list[str]:
        """The model's replies, one for each repeat; or the likeliest of the choices."""
        if self.choices:
            likelihoods = [float(tries[0][0]) for tries in self.resps]
            return [self.choices[likelihoods.index(max(likelihoods))]]
        return [str(reply) for reply in self.resps[0]]


class _Config(Struct):
    model: str = ""
    model_args: Any = None
    random_seed: int | None = None


class _Task(Struct):
    metric_list: list[_Metric] | None = None


class _Results(Struct):
    configs: dict[str, _Task] = {}
    config: _Config = msgspec.field(default_factory=_Config)
    date: float | None = None
    lm_eval_version: str | None = None
    model_name: str | None = None


class _MarkedRow(Struct):
    row: _Row
    metric: str
    mark: Any


def sample_files(path: Path) -> list[Path]:
    """The samples' files of a samples' file, a results' file or a folder: one for each task."""
    if path.suffix == ".jsonl":
        return [path]
    if path.is_dir():
        return sorted(file for file in path.rglob("samples_*.jsonl") if _SAMPLES.fullmatch(file.name))
    return sorted(path.parent.glob(f"samples_*_{path.stem.removeprefix('results_')}.jsonl"))


def read(path: Path, scorer: str | None = None) -> ForeignRun:
    """Read a samples' file. `scorer`: `METRIC,FILTER`; default: the first of each. Raises BadRequest."""
    match = _SAMPLES.fullmatch(path.name)
    if match is None:
        raise BadRequest(f"{path} isn't named samples_TASK_TIME.jsonl", field="FILE")
    task, time = match.groups()
    results_file = path.with_name(f"results_{time}.json")
    results = (
        decode(results_file.read_bytes(), _Results, str(results_file))
        if results_file.exists()
        else _Results()
    )
    marked = _marked_rows(path, scorer)
    rows = [marked_row.row for marked_row in marked]
    ids = _ids(rows)
    metrics = results.configs.get(task, _Task()).metric_list or []
    metric = next((metric for metric in metrics if metric.metric == marked[0].metric), _Metric())
    problems = [_problem(id_, row, metric) for id_, row in zip(ids, rows, strict=True)]
    return ForeignRun(
        name=path.stem,
        header=Header(
            settings=_settings(task, results, problems, rows[0].settings),
            started=_started(results, time),
            versions={"lm_eval": results.lm_eval_version} if results.lm_eval_version else {},
            machine={},
        ),
        problems=problems,
        samples=list(map(_sample, ids, marked)),
    )


def _started(results: _Results, time: str) -> str:
    """The start in ISO 8601: the results' date, else the time in the file's name, which has no colons."""
    if results.date is None:
        day, _, clock = time.partition("T")
        return f"{day}T{clock.replace('-', ':')}"
    return datetime.datetime.fromtimestamp(results.date, datetime.UTC).isoformat(timespec="seconds")


def _marked_rows(path: Path, scorer: str | None) -> list[_MarkedRow]:
    """The rows under one filter, with the marks of one metric."""
    found: dict[str, list[_MarkedRow]] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        fields = decode(line, dict[str, Any], f"{path}:{number}")
        try:
            row = msgspec.convert(fields, _Row)
            for metric in row.metrics:
                found.setdefault(f"{metric},{row.filter}", []).append(
                    _MarkedRow(row, metric, fields.get(metric))
                )
        except msgspec.ValidationError as error:
            raise BadRequest(f"{path}:{number}: {error}", field="FILE") from None
    if not found:
        raise BadRequest(f"{path} holds no marks", field="FILE")
    if scorer is not None and scorer not in found:
        raise BadRequest(
            f"no scorer named {scorer!r}", hint=f"there are {'; '.join(found)}", field="--scorer"
        )
    return next(iter(found.values())) if scorer is None else found[scorer]


def _ids(rows: Sequence[_Row]) -> list[str]:
    """The data set's own ids where they are distinct, since they don't depend on the order; else the row numbers."""
    dataset_ids = [row.doc.get("id") for row in rows]
    distinct = None not in dataset_ids and len(set(map(str, dataset_ids))) == len(dataset_ids)
    return [str(id_) for id_ in (dataset_ids if distinct else [row.doc_id for row in rows])]


def _problem(id_: str, row: _Row, metric: _Metric) -> Problem:
    return Problem(id=id_, messages=_messages(row), verifier=VerifierSpec(GRADED_BY, row.gold(metric)))


def _messages(row: _Row) -> tuple[Message, ...]:
    """The prompt's messages: a list holds a chat as JSON, anything else is one user message."""
    prompt: Any = row.arguments["gen_args_0"]["arg_0"]
    if not isinstance(prompt, list):
        return (Message("user", str(prompt)),)
    chat = str(cast("list[Any]", prompt)[0])
    turns = decode(chat.encode(), list[_Turn], f"the prompt of {row.doc_id}")
    return tuple(Message(turn.role, turn.text) for turn in turns)


def _sample(id_: str, marked: _MarkedRow) -> Sample:
    """The format keeps neither thinking nor tokens."""
    answers = marked.row.answers
    attempts = tuple(
        Attempt(answer=answer, thinking="", usage=Usage(), stop_reason="stop") for answer in answers
    )
    several = len(attempts) > 1
    return Sample(
        problem=id_,
        number=0,
        answer=str(marked.row.filtered_resps[0]) if several else answers[0],
        verdict=mark_verdict(marked.mark),
        candidates=attempts if several else (),
    )


def _settings(
    task: str, results: _Results, problems: Sequence[Problem], generation: dict[str, Any]
) -> RunSettings:
    model_args = _pairs(results.config.model_args)
    effort = generation.get("reasoning_effort")
    limits = [generation[name] for name in _LIMITS if isinstance(generation.get(name), int)]
    return RunSettings(
        suite=task,
        problems=tuple(problem.id for problem in problems),
        fingerprint=fingerprint(problems),
        target=str(model_args.get("base_url") or results.config.model or "lm-eval"),
        model=results.model_name,
        effort=msgspec.convert(effort, Effort) if effort in get_args(Effort) else None,
        max_output_tokens=limits[0] if limits else None,
        temperature=generation.get("temperature"),
        seed=results.config.random_seed or 0,
    )


def _pairs(value: Any) -> dict[str, Any]:
    """The model's settings: an object, or `a=1,b=2` in older files."""
    if isinstance(value, str):
        return dict(pair.split("=", 1) for pair in value.split(",") if "=" in pair)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
