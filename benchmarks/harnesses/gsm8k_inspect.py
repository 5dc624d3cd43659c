# pyright: basic, reportMissingImports=false
# runs in inspect-ai's own environment
"""GSM8K as inspect-evals has it (prompt, examples, scorer), on local files in place of those on the hub."""

import os
from importlib import import_module
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import Dataset, json_dataset

theirs = import_module("inspect_evals.gsm8k.gsm8k")
FILES = {"train": os.environ["PERPEND_TRAIN"], "test": os.environ["PERPEND_TEST"]}


def local(
    *,
    split: str,
    sample_fields: Any,
    shuffle: bool = False,
    seed: int = 0,
    limit: int | None = None,
    **_: Any,
) -> Dataset:
    return json_dataset(FILES[split], sample_fields, shuffle=shuffle, seed=seed, limit=limit)


vars(theirs)["hf_dataset"] = local


@task
def gsm8k() -> Task:
    return theirs.gsm8k()
