"""What a verifier is: something that checks an answer to a task, in less than a second and the same way each time.

    class Exact(Verifier):
        async def verify(self, task: Task, answer: str) -> Verdict: ...
        async def same(self, first: str, second: str) -> bool: ...

    verifiers.register("exact")(Exact)

Its keyword arguments are the options that clients may send; their annotations check them.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from perpend.errors import BadRequest
from perpend.registry import Registry
from perpend.types import Verdict


class Task(Struct, frozen=True, kw_only=True):
    """What was asked, and what is known of the right answer."""

    question: str = ""
    gold: str | None = None


class Verifier(Protocol):
    async def verify(self, task: Task, answer: str) -> Verdict:
        """Raises BadRequest where the task lacks what the verifier needs."""
        ...

    async def same(self, first: str, second: str) -> bool:
        """Whether two answers count as one: votes are counted by this."""
        ...

    async def aclose(self) -> None:
        """Give back what it holds."""


verifiers: Registry[Callable[..., Verifier]] = Registry("verifier")


def gold_of(task: Task) -> str:
    if task.gold is None:
        raise BadRequest("this verifier needs the right answer", hint="give a gold", field="gold")
    return task.gold
