"""The spine: `prepare` and `run` of a request, which `solve` does in a row; strategies spend through its session."""

from perpend.solve.cache import AnswerCache, CacheLookup, KeptAnswer, keepable
from perpend.solve.call_context import Sink
from perpend.solve.control import Control
from perpend.solve.gate import Gate
from perpend.solve.ledger_entry import Origin
from perpend.solve.lower import lowered, narrowed
from perpend.solve.model import ServedModel
from perpend.solve.prepare import Prepared, Services, prepare
from perpend.solve.run import run
from perpend.solve.solve import solve

__all__ = [
    "AnswerCache",
    "CacheLookup",
    "Control",
    "Gate",
    "KeptAnswer",
    "Origin",
    "Prepared",
    "ServedModel",
    "Services",
    "Sink",
    "keepable",
    "lowered",
    "narrowed",
    "prepare",
    "run",
    "solve",
]
