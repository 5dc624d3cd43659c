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
from perpend.verifiers.external_protocol import VerifierQuestion, to_verdict, verifier_question


class PythonFunction(Verifier):
    """Calls a function with those of `question, answer, thinking, gold` that its parameters name.

    It returns whether the candidate passed, a score, or both as a `Verdict` or dict. One that isn't async runs in a
    thread, which no time limit can stop. `verify` raises VerifierFailed.
    """

    def __init__(self, name: str, path: str, *, timeout_s: float, needs_gold: bool = False) -> None:
        """`path`: `package.module:name`; `timeout_s`: seconds for each candidate. Raises ConfigError."""
        self.needs_gold = needs_gold
        self._name = name
        self._call = _imported(name, path)
        self._parameters = _parameters_of(name, self._call)
        self._timeout_s = timeout_s

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        given = msgspec.structs.asdict(verifier_question(task, candidate))
        given = {name: given[name] for name in self._parameters}
        try:
            async with asyncio.timeout(self._timeout_s):
                if inspect.iscoroutinefunction(self._call):
                    result = await self._call(**given)
                else:
                    result = await asyncio.to_thread(self._call, **given)
        except TimeoutError:
            message = f"the verifier {self._name!r} took longer than {self._timeout_s:g} s"
            raise VerifierFailed(message, hint="raise its timeout_s", billed=False) from None
        except Exception as error:
            message = f"the verifier {self._name!r} raised {type(error).__name__}: {error}"
            raise VerifierFailed(message, billed=False) from error
        return to_verdict(self._name, result)


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


def _parameters_of(name: str, call: Callable[..., Any]) -> list[str]:
    """The names of its parameters. Raises ConfigError for one that nothing is passed for."""
    parameters = inspect.signature(call).parameters.values()
    known = VerifierQuestion.__struct_fields__
    unknown = [one.name for one in parameters if one.name not in known and one.default is one.empty]
    if unknown:
        message = f"verifiers.{name}.function takes {', '.join(unknown)}, which nobody gives it"
        raise ConfigError(message, hint=f"it may take {', '.join(known)}", field=f"verifiers.{name}.function")
    return [one.name for one in parameters if one.name in known]
