"""A verifier's verdict on a candidate."""

from msgspec import Struct


class Verdict(Struct, frozen=True):
    """Whether a candidate passed, and how good it is."""

    score: float
    """From 0 to 1."""
    passed: bool
    feedback: str = ""
    """What to do better, for the model or for a person; empty where it passed."""


PASSED = Verdict(1.0, True)
