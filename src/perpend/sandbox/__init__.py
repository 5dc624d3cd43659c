"""Runs programs that nobody trusts; `Sandbox` is the door, docs/guides/sandbox.md says what it promises."""

from perpend.sandbox.contract import LIMITED, USUAL, Limits, Outcome
from perpend.sandbox.pool import Sandbox
from perpend.sandbox.rungs import RUNGS, Rung, Tried, find_rung

__all__ = ["LIMITED", "RUNGS", "USUAL", "Limits", "Outcome", "Rung", "Sandbox", "Tried", "find_rung"]
