"""What a verifier is: it checks a candidate, deterministically and in less than a second.

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
from perpend.verifiers.answer_extraction import same_answer

GOLD = "verifier.gold"
"""The request field that an error about a gold names."""


class AuxiliaryModel(Protocol):
    """A model to ask about a candidate; its tokens are charged to the candidate's request."""

    def on(self, model: str) -> "AuxiliaryModel":
        """The same for another model. Raises NotFound."""
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
        """Its answer, of at most `max_tokens` after at most `thinking_tokens`. Raises CapReached without a budget."""
        ...

    async def probabilities(
        self, messages: Sequence[Message], choices: tuple[str, ...], *, begun: str = ""
    ) -> Mapping[str, float]:
        """The probability of each of `choices` as its answer after `begun`; they sum to 1.

        They come from the first token's logprobs, so choices should differ in their first letters. Where a server gives
        none, the model answers, and its answer gets probability 1. Raises CapReached without a budget.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The question, the right answer where it is known, and a model to ask where there is one."""

    question: str = ""
    gold: str | None = None
    model: AuxiliaryModel | None = None

    @property
    def required_gold(self) -> str:
        """The gold. Raises BadRequest where there is none."""
        if self.gold is None:
            raise BadRequest("this verifier needs the right answer", hint="give a gold", field=GOLD)
        return self.gold

    @property
    def required_model(self) -> AuxiliaryModel:
        """The model. Raises BadRequest where there is none."""
        if self.model is None:
            raise BadRequest("this verifier needs a model to ask", field="verifier")
        return self.model


class Verifier(Protocol):
    """The base of verifiers; see the module's example."""

    needs_gold: bool = False
    """Whether it can't verify without a gold."""
    judge_model: str = ""
    """The model that it asks; "": the one that wrote the candidate."""
    needs_model: bool = False
    """Whether it asks a model."""
    rates_thoughts: bool = False
    """Whether it can also score an unfinished thought, a candidate with an empty answer."""

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        """The verdict on a candidate. Raises BadRequest where the task lacks what the verifier needs."""
        ...

    async def check(self, task: Task) -> None:
        """Called before a token is spent. Raises BadRequest for a bad gold or option, and ConfigError where a
        package is missing.
        """

    async def same(self, first: str, second: str) -> bool:
        """Whether two answers are the same one, for counting votes; by default, by `same_answer`."""
        return same_answer(first, second)

    async def compare(self, task: Task, first: Candidate, second: Candidate) -> float:
        """The probability that the first is better; by default from both scores."""
        one, other = [await self.verify(task, candidate) for candidate in (first, second)]
        return (1 + one.score - other.score) / 2

    async def aclose(self) -> None:
        """Free its processes and connections."""


verifiers: Registry[Callable[..., Verifier]] = Registry("verifier")


def verifier_spec(value: object, field: str = "verifier") -> VerifierSpec:
    """The spec of a client's JSON: a name, or `{"name": …, "gold": …, …options}`. Raises BadRequest."""
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


def make_verifier(spec: VerifierSpec) -> Verifier:
    """A new verifier with the spec's options. Raises BadRequest."""
    item = verifiers.get(spec.name, field="verifier")
    return item(**checked_options(item, spec.options, "verifier"))
