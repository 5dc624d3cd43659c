"""Runs programs that nobody trusts; `Sandbox` is the door, docs/guides/sandbox.md says what it promises."""

from perpend.sandbox.contract import LIMITED, USUAL, Limits, Outcome
from perpend.sandbox.isolation_levels import RUNGS, IsolationLevel, Tried, find_rung
from perpend.sandbox.pool import Sandbox

__all__ = [
    "LIMITED",
    "RUNGS",
    "USUAL",
    "IsolationLevel",
    "Limits",
    "Outcome",
    "Sandbox",
    "Tried",
    "find_rung",
]
