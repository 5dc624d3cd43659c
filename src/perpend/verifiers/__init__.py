"""What checks answers: one file for each kind; importing this package registers them."""

from perpend.verifiers import answer, math, schema, texts
from perpend.verifiers.contract import Asked, Task, Verifier, made, verifier_spec, verifiers

__all__ = [
    "Asked",
    "Task",
    "Verifier",
    "answer",
    "made",
    "math",
    "schema",
    "texts",
    "verifier_spec",
    "verifiers",
]
