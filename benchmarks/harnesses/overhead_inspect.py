# pyright: basic, reportMissingImports=false
# runs in inspect-ai's own environment
"""Questions asked as they are: what inspect-ai itself costs."""

import os

from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import match
from inspect_ai.solver import generate


@task
def overhead() -> Task:
    problems = json_dataset(os.environ["PERPEND_TEST"], FieldSpec(input="question", target="gold", id="id"))
    return Task(dataset=problems, solver=generate(), scorer=match(location="any"))
