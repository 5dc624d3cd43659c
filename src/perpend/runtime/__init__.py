"""The composition root: a `Config` becomes wired objects. Nothing else wires."""

from perpend.runtime.runtime import Runtime
from perpend.runtime.verifiers import Verifiers

__all__ = ["Runtime", "Verifiers"]
