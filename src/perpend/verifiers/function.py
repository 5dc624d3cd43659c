"""A verifier that is a Python function of the user's: `[verifiers.NAME] function = "package.module:name"`."""

import asyncio
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec

from perpend.errors import ConfigError, VerifierFailed
from perpend.types import Candidate, Verdict
from perpend.verifiers.contract import Task, Verifier
from perpend.verifiers.external_protocol import VerifierQuestion, asked, verdict


class PythonFunction(Verifier):
    """It's called with those of `question, answer, thinking, gold` that it names, and returns whether it passed, a
    score, or both as a `Verdict` or dict. One that isn't async runs in a thread, which no time limit can stop.
    """

    def __init__(self, name: str, path: str, *, timeout_s: float, needs_gold: bool = False) -> None:
        """Raises ConfigError."""
        self.needs_gold = needs_gold
        self._name = name
        self._call = _imported(name, path)
        self._takes = _taken(name, self._call)
        self._timeout_s = timeout_s

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        given = msgspec.structs.asdict(asked(task, candidate))
        given = {name: given[name] for name in self._takes}
        try:
            async with asyncio.timeout(self._timeout_s):
                if inspect.iscoroutinefunction(self._call):
                    said = await self._call(**given)
                else:
                    said = await asyncio.to_thread(self._call, **given)
        except TimeoutError:
            message = f"the verifier {self._name!r} took longer than {self._timeout_s:g} s"
            raise VerifierFailed(message, hint="raise its timeout_s", billed=False) from None
        except Exception as error:
            message = f"the verifier {self._name!r} raised {type(error).__name__}: {error}"
            raise VerifierFailed(message, billed=False) from error
        return verdict(self._name, said)


def _imported(name: str, path: str) -> Callable[..., Any]:
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        hint = 'function = "package.module:name", of a package that is installed where Perpend runs'
        raise ConfigError(
            f"verifiers.{name}.function {path!r} can't be imported: {error}",
            hint=hint,
            field=f"verifiers.{name}.function",
        ) from None


def _taken(name: str, call: Callable[..., Any]) -> list[str]:
    """Its parameters' names."""
    parameters = inspect.signature(call).parameters.values()
    known = VerifierQuestion.__struct_fields__
    foreign = [one.name for one in parameters if one.name not in known and one.default is one.empty]
    if foreign:
        message = f"verifiers.{name}.function takes {', '.join(foreign)}, which nobody gives it"
        raise ConfigError(message, hint=f"it may take {', '.join(known)}", field=f"verifiers.{name}.function")
    return [one.name for one in parameters if one.name in known]
