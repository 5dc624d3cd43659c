"""A run as results of lm-evaluation-harness: what `lm_eval run --log_samples --output_path DIR` writes.

The format has one mark a problem: several samples become their mean. It has no fields for thinking and tokens.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from perpend.errors import BadRequest, StorageError
from perpend.evals.problems import Problem
from perpend.evals.reports.report import Reported
from perpend.evals.runs.samples import Sample

METRIC, FILTER = "acc", "none"


def write(run: Reported, folder: Path) -> Path:
    """Write into a folder named by the model, as lm-evaluation-harness does, and return the results' file.

    Raises BadRequest where it's there already, StorageError.
    """
    settings = run.header.settings
    model, task = settings.model or "default", re.sub(r"\W", "_", settings.suite)
    started = datetime.fromisoformat(run.header.started)
    time = started.strftime("%Y-%m-%dT%H-%M-%S.%f")
    model_folder = folder / re.sub(r"[\"<>:/\\|?*\[\]]+", "__", model)
    lines = [msgspec.json.encode(row) + b"\n" for row in _rows(run)]
    results, samples = model_folder / f"results_{time}.json", model_folder / f"samples_{task}_{time}.jsonl"
    if results.exists():
        raise BadRequest(f"{results} is there already", field="--out")
    try:
        model_folder.mkdir(parents=True, exist_ok=True)
        samples.write_bytes(b"".join(lines))
        results.write_bytes(msgspec.json.format(msgspec.json.encode(_results(run, task, model, started))))
    except OSError as error:
        raise StorageError(
            f"{model_folder}: {error.strerror}", hint="name another folder with --out"
        ) from error
    return results


def _results(run: Reported, task: str, model: str, started: datetime) -> dict[str, Any]:
    settings, problems = run.header.settings, run.summary.problems
    source = "local-chat-completions" if settings.target != "local" else "perpend"
    error = run.summary.standard_error
    return {
        "results": {
            task: {
                "name": task,
                "alias": task,
                "sample_len": problems,
                f"{METRIC},{FILTER}": run.accuracy.estimate,
                f"{METRIC}_stderr,{FILTER}": "N/A" if error is None else error,
            }
        },
        "group_subtasks": {},
        "configs": {
            task: {
                "task": task,
                "output_type": "generate_until",
                "repeats": settings.samples,
                "metadata": {"perpend": run.header.versions.get("perpend"), "strategy": settings.strategy},
            }
        },
        "versions": {task: settings.fingerprint},
        "n-shot": {task: 0},
        "higher_is_better": {task: {METRIC: True}},
        "n-samples": {task: {"original": len(settings.problems), "effective": problems}},
        "config": {
            "model": source,
            "model_args": {"model": model, "base_url": settings.target},
            "gen_kwargs": _generation_settings(run),
            "random_seed": settings.seed,
        },
        "date": started.timestamp(),
        "model_source": source,
        "model_name": model,
    }


def _generation_settings(run: Reported) -> dict[str, Any]:
    settings = run.header.settings
    values = {
        "temperature": settings.temperature,
        "max_gen_toks": settings.max_output_tokens,
        "reasoning_effort": settings.effort,
        "max_thinking_tokens": settings.max_thinking_tokens,
    }
    return {name: value for name, value in values.items() if value is not None}


def _rows(run: Reported) -> list[dict[str, Any]]:
    by_problem: dict[str, list[Sample]] = {}
    for sample in run.samples:
        by_problem.setdefault(sample.problem, []).append(sample)
    generation = _generation_settings(run)
    return [
        _row(index, problem, by_problem[id_], generation)
        for index, (id_, problem) in enumerate(run.problems.items())
        if id_ in by_problem
    ]


def _row(
    index: int, problem: Problem, samples: Sequence[Sample], generation: dict[str, Any]
) -> dict[str, Any]:
    chat = [{"role": one.role, "content": one.text} for one in problem.messages]
    doc = {"id": problem.id, "question": problem.messages[-1].text, "answer": problem.gold}
    prompt, answers = msgspec.json.encode(chat).decode(), [one.answer for one in samples]
    return {
        "doc_id": index,
        "doc": doc,
        "target": problem.gold or "",
        "arguments": {"gen_args_0": {"arg_0": [prompt], "arg_1": generation}},
        "resps": [answers],
        "filtered_resps": answers[:1],
        "filter": FILTER,
        "metrics": [METRIC],
        "doc_hash": _digest(msgspec.json.encode(doc)),
        "prompt_hash": _digest(prompt.encode()),
        "target_hash": _digest((problem.gold or "").encode()),
        METRIC: fmean(one.correct for one in samples),
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
