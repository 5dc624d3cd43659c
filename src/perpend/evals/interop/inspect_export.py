"""A run as a log of inspect-ai (version 2 of its format), for `inspect view` and `read_eval_log`."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from perpend.errors import BadRequest, StorageError
from perpend.evals.problems import Problem
from perpend.evals.reports.report import Reported
from perpend.evals.runs.samples import Sample
from perpend.types import StopReason, Usage

_STOPS: dict[StopReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "answer_tokens": "max_tokens",
    "thinking_tokens": "max_tokens",
}
"""inspect-ai has no word for the others."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def write(run: Reported, path: Path) -> None:
    """Write the log. Raises BadRequest where the file is there already, StorageError."""
    samples = [_sample(run, sample) for sample in run.samples]
    files: dict[str, Any] = {
        "_journal/start.json": {"version": 2, "eval": _eval(run), "plan": _PLAN},
        **{f"samples/{sample['id']}_epoch_{sample['epoch']}.json": sample for sample in samples},
        "summaries.json": [_summary(sample) for sample in samples],
        "header.json": _header(run),
    }
    try:
        with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as log:
            for name, content in files.items():
                log.writestr(name, _ENCODER.encode(content))
    except FileExistsError:
        raise BadRequest(f"{path} is there already", field="--out") from None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}", hint="name another file with --out") from error


_PLAN: dict[str, Any] = {"name": "plan", "steps": [], "config": {}}


def _model(run: Reported) -> str:
    """The model's name with its provider, as inspect-ai names models."""
    name = run.header.settings.model or "default"
    return name if "/" in name else f"perpend/{name}"


def _grader(run: Reported) -> str:
    name = next((problem.verifier.name for problem in run.problems.values() if problem.verifier), None)
    return name or "perpend"


def _eval(run: Reported) -> dict[str, Any]:
    settings = run.header.settings
    generation = {
        "max_tokens": settings.max_output_tokens,
        "temperature": settings.temperature,
        "seed": settings.seed,
        "reasoning_effort": settings.effort,
        "reasoning_tokens": settings.max_thinking_tokens,
    }
    return {
        "eval_id": f"{run.name}-{settings.fingerprint}",
        "run_id": run.name,
        "created": run.header.started,
        "task": settings.suite,
        "task_id": settings.fingerprint,
        "task_version": 0,
        "dataset": {
            "name": settings.suite,
            "samples": len(settings.problems),
            "sample_ids": settings.problems,
            "shuffled": False,
        },
        "model": _model(run),
        "model_base_url": None if settings.target == "local" else settings.target,
        "model_generate_config": {name: value for name, value in generation.items() if value is not None},
        "config": {"epochs": settings.samples},
        "packages": run.header.versions,
        "metadata": {"strategy": settings.strategy, "machine": run.header.machine},
        "scorers": [{"name": _grader(run)}],
    }


def _header(run: Reported) -> dict[str, Any]:
    """`header.json`. The standard error is that of the mean over problems, as in inspect-ai."""
    scored = sum(sample.verdict is not None for sample in run.samples)
    pass_1 = run.accuracy
    metrics = {"accuracy": pass_1.estimate}
    if run.summary.standard_error is not None:
        metrics["stderr"] = run.summary.standard_error
    used = sum((sample.usage for sample in run.samples), Usage())
    return {
        "version": 2,
        "status": "success",
        "eval": _eval(run),
        "plan": _PLAN,
        "results": {
            "total_samples": len(run.header.settings.problems) * run.header.settings.samples,
            "completed_samples": len(run.samples),
            "scores": [
                {
                    "name": _grader(run),
                    "scorer": _grader(run),
                    "scored_samples": scored,
                    "unscored_samples": len(run.samples) - scored,
                    "metrics": {name: {"name": name, "value": value} for name, value in metrics.items()},
                }
            ],
        },
        "stats": {"started_at": run.header.started, "model_usage": {_model(run): _usage(used)}},
    }


def _sample(run: Reported, sample: Sample) -> dict[str, Any]:
    problem = run.problems[sample.problem]
    prompt = [
        {"role": message.role, "content": message.text, "source": "input"} for message in problem.messages
    ]
    exported: dict[str, Any] = {
        "id": sample.problem,
        "epoch": sample.number + 1,
        "input": _input(problem, prompt),
        "target": problem.gold or "",
        "messages": prompt,
        "output": {"model": sample.model_version, "choices": []},
        "metadata": {} if problem.category is None else {"category": problem.category},
        "store": {},
        "events": [],
        "attachments": {},
        "model_usage": {_model(run): {**_usage(sample.usage), "total_cost": sample.cost_usd}},
        "total_time": sample.seconds,
    }
    if sample.error is not None:
        return {**exported, "error": {"message": sample.error, "traceback": "", "traceback_ansi": ""}}
    message = {"role": "assistant", "content": list(_content(sample)), "source": "generate"}
    stop = "unknown" if sample.stop_reason is None else _STOPS.get(sample.stop_reason, "unknown")
    exported["messages"] = [*prompt, message]
    exported["output"] |= {
        "choices": [{"message": message, "stop_reason": stop}],
        "completion": sample.answer,
        "usage": _usage(sample.usage),
        "time": sample.seconds,
    }
    if sample.verdict is not None:
        mark = "C" if sample.verdict.passed else sample.verdict.score
        score = {"value": mark, "answer": sample.answer, "explanation": sample.verdict.feedback or None}
        exported["scores"] = {_grader(run): score}
    return exported


def _input(problem: Problem, prompt: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A text where there is only a question, which inspect's viewer shows better, else the messages."""
    return problem.messages[0].text if len(problem.messages) == 1 else prompt


def _content(sample: Sample) -> Iterator[dict[str, Any]]:
    if sample.thinking:
        yield {"type": "reasoning", "reasoning": sample.thinking}
    yield {"type": "text", "text": sample.answer}


def _usage(usage: Usage) -> dict[str, int]:
    """Tokens; inspect-ai's input leaves out cached ones."""
    return {
        "input_tokens": usage.input - usage.cached,
        "input_tokens_cache_read": usage.cached,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.thinking,
        "total_tokens": usage.total,
    }


def _summary(sample: dict[str, Any]) -> dict[str, Any]:
    fields = ("id", "epoch", "input", "target", "metadata", "scores", "model_usage", "total_time")
    short = {name: sample[name] for name in fields if name in sample}
    failed = {"error": sample["error"]["message"]} if "error" in sample else {}
    return {**short, **failed, "completed": True}
