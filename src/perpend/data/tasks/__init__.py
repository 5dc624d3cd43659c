"""The kinds of task, one file each; importing this package registers them."""

from perpend.data.tasks import add, chain, equation, multiply, search, total, track
from perpend.data.tasks.contract import Kind, Split, TaskProblem, Work, draw, fresh, kinds, split_of

__all__ = [
    "Kind",
    "Split",
    "TaskProblem",
    "Work",
    "add",
    "chain",
    "draw",
    "equation",
    "fresh",
    "kinds",
    "multiply",
    "search",
    "split_of",
    "total",
    "track",
]
