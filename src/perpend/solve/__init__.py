"""The spine: the session that strategies spend through, and `solve`."""

from perpend.solve.control import Control
from perpend.solve.model import ServedModel
from perpend.solve.solve import Origin, Services, Sink, solve

__all__ = ["Control", "Origin", "ServedModel", "Services", "Sink", "solve"]
