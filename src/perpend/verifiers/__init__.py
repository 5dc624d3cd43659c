"""Verifiers, one file for each kind; importing this package registers them."""

from perpend.verifiers import (
    arithmetic_claims,
    code,
    countdown,
    endpoint,
    final_answer,
    gym,
    judge,
    literal,
    math,
    process_reward,
    schema,
    self_score,
    text_match,
)
from perpend.verifiers.contract import (
    GOLD,
    AuxiliaryModel,
    Task,
    Verifier,
    make_verifier,
    verifier_spec,
    verifiers,
)

__all__ = [
    "GOLD",
    "AuxiliaryModel",
    "Task",
    "Verifier",
    "arithmetic_claims",
    "code",
    "countdown",
    "endpoint",
    "final_answer",
    "gym",
    "judge",
    "literal",
    "make_verifier",
    "math",
    "process_reward",
    "schema",
    "self_score",
    "text_match",
    "verifier_spec",
    "verifiers",
]
