"""Runs untrusted programs: `Sandbox` is the entry point; docs/guides/sandbox.md says what it guarantees."""

from perpend.sandbox.contract import DEFAULT_LIMITS, LIMIT_NAMES, Limits, Outcome
from perpend.sandbox.isolation_levels import (
    ISOLATION_LEVELS,
    IsolationLevel,
    LevelTrial,
    find_isolation_level,
)
from perpend.sandbox.pool import Sandbox

__all__ = [
    "DEFAULT_LIMITS",
    "ISOLATION_LEVELS",
    "LIMIT_NAMES",
    "IsolationLevel",
    "LevelTrial",
    "Limits",
    "Outcome",
    "Sandbox",
    "find_isolation_level",
]
