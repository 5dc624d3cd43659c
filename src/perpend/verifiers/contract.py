"""What a verifier is: something that checks a candidate, in less than a second and the same way each time.

    class Exact(Verifier):
        needs_gold = True

        async def verify(self, task: Task, candidate: Candidate) -> Verdict: ...
        async def same(self, first: str, second: str) -> bool: ...

    verifiers.register("exact")(Exact)

Its keyword-only arguments are the options that clients may send; their annotations check them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from perpend.errors import BadRequest
from perpend.registry import Registry, checked_options
from perpend.types import Candidate, Message, Verdict, VerifierSpec
from perpend.verifiers.answer_extraction import alike

GOLD = "verifier.gold"
"""The field that is named where a gold is at fault."""


class AuxiliaryModel(Protocol):
    """A model that may be asked about a candidate, at the expense of the request that the candidate is for."""

    def on(self, model: str) -> "AuxiliaryModel":
        """Another model in its place; raises NotFound."""
        ...

    async def ask(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        thinking_tokens: int = 0,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> str:
        """Its answer, of `max_tokens` at most after so much thinking. Raises CapReached when there is no budget."""
        ...

    async def probabilities(
        self, messages: Sequence[Message], choices: tuple[str, ...], *, begun: str = ""
    ) -> Mapping[str, float]:
        """How likely its answer, which goes on from `begun`, is each of `choices`: probabilities that sum to 1.

        From the first token's logprobs, so choices should differ in their first letters; where a server gives none
        it's asked, and its answer has all the probability.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What was asked, what is known of the right answer, and who may be asked about it."""

    question: str = ""
    gold: str | None = None
    model: AuxiliaryModel | None = None

    @property
    def right(self) -> str:
        """The gold; raises BadRequest where there is none."""
        if self.gold is None:
            raise BadRequest("this verifier needs the right answer", hint="give a gold", field=GOLD)
        return self.gold

    @property
    def judge(self) -> AuxiliaryModel:
        """The model; raises BadRequest where there is none."""
        if self.model is None:
            raise BadRequest("this verifier needs a model to ask", field="verifier")
        return self.model


class Verifier(Protocol):
    needs_gold: bool = False
    """It checks against a gold, and is of no use without one."""
    asks: str = ""
    """The model that it asks, where that's another one than the candidates'."""
    needs_model: bool = False
    """It asks a model."""
    rates_thoughts: bool = False
    """It can also tell how good a thought is that has no answer yet: such candidates' answer is empty."""

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        """Raises BadRequest where the task lacks what the verifier needs."""
        ...

    async def check(self, task: Task) -> None:
        """Before a token is spent. Raises BadRequest where the gold, or an option, is none to verify by, and
        ConfigError where something isn't installed.
        """

    async def same(self, first: str, second: str) -> bool:
        """Whether two answers count as one: votes are counted by this. By default, whether they settle on the same."""
        return alike(first, second)

    async def compare(self, task: Task, first: Candidate, second: Candidate) -> float:
        """How likely the first is the better one: by their scores, unless a verifier looks at both at once."""
        one, other = [await self.verify(task, candidate) for candidate in (first, second)]
        return (1 + one.score - other.score) / 2

    async def aclose(self) -> None:
        """Give back what it holds."""


verifiers: Registry[Callable[..., Verifier]] = Registry("verifier")


def verifier_spec(value: object, field: str = "verifier") -> VerifierSpec:
    """What a client said: a name, or `{"name": …, "gold": …, …options}`. Raises BadRequest."""
    if isinstance(value, str):
        return VerifierSpec(value)
    options = dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else {}
    name, gold = options.pop("name", None), options.pop("gold", None)
    if not isinstance(name, str):
        raise BadRequest(
            f"{field} has no name", hint='"math", or {"name": "math", "gold": "42"}', field=field
        )
    if gold is not None and not isinstance(gold, str):
        raise BadRequest(f"{field}.gold isn't a text", field=f"{field}.gold")
    return VerifierSpec(name, gold, options)


def made(spec: VerifierSpec) -> Verifier:
    """A verifier of its own with the spec's options. Raises BadRequest."""
    item = verifiers.get(spec.name, field="verifier")
    return item(**checked_options(item, spec.options, "verifier"))
