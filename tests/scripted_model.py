"""A model that verifiers may ask, played by a script."""

from collections.abc import Callable, Mapping, Sequence

from perpend.types import Message

Says = Callable[[str], str]
"""What it says to a prompt."""


class ScriptedModel:
    """Implements `verifiers.AuxiliaryModel`. It's as sure of the choice that it makes as `sure` says."""

    def __init__(self, says: Says, *, sure: float = 1.0) -> None:
        self.asked: list[Sequence[Message]] = []
        self.models: list[str] = []
        self._says = says
        self._sure = sure

    def on(self, model: str) -> "ScriptedModel":
        self.models.append(model)
        return self

    async def ask(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        thinking_tokens: int = 0,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> str:
        self.asked.append(messages)
        return self._says(messages[-1].text)

    async def probabilities(
        self, messages: Sequence[Message], choices: tuple[str, ...], *, begun: str = ""
    ) -> Mapping[str, float]:
        self.asked.append(messages)
        said = self._says(messages[-1].text)
        assert said in choices
        rest = (1 - self._sure) / (len(choices) - 1)
        return {choice: self._sure if choice == said else rest for choice in choices}
