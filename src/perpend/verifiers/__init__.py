"""What checks answers: one file for each kind; importing this package registers them."""

from perpend.verifiers import math, schema, texts
from perpend.verifiers.contract import Task, Verifier, verifiers

__all__ = ["Task", "Verifier", "math", "schema", "texts", "verifiers"]
