"""Runs programs that nobody trusts; `Sandbox` is the door, docs/guides/sandbox.md says what it promises."""

from perpend.sandbox.contract import LIMITED, USUAL, Limits, Outcome
from perpend.sandbox.isolation_levels import ISOLATION_LEVELS, IsolationLevel, Tried, find_isolation_level
from perpend.sandbox.pool import Sandbox

__all__ = [
    "ISOLATION_LEVELS",
    "LIMITED",
    "USUAL",
    "IsolationLevel",
    "Limits",
    "Outcome",
    "Sandbox",
    "Tried",
    "find_isolation_level",
]
