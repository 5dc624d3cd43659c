"""The settings that `perpend eval decide` compares: models by system messages by strategies by amounts of thinking."""

from itertools import product

from msgspec import Struct

from perpend.cli.named import file_of, named
from perpend.types import Effort


class ThinkingAmount(Struct, frozen=True):
    """An amount of thinking: an effort, or a budget in tokens."""

    effort: Effort | None = None
    tokens: int | None = None


class Setting(Struct, frozen=True):
    model: str | None
    system: str | None
    """A text, or a file that holds it."""
    strategy: str
    amount: ThinkingAmount


class Axes(Struct, frozen=True):
    """The settings are all combinations of these; an empty axis takes the default of the config or the suite."""

    models: tuple[str, ...]
    systems: tuple[str, ...]
    strategies: tuple[str, ...]
    amounts: tuple[ThinkingAmount, ...]

    def groups(self) -> list[list[Setting]]:
        """Groups of settings that differ in the amount of thinking alone, from little to much. Raises BadRequest
        where a strategy can't be read.
        """
        from perpend.strategies import strategy_spec, with_options

        for strategy in self.strategies:
            with_options(strategy_spec(named(strategy, "--strategy"), "--strategy"))
        combinations = product(self.models or (None,), self.systems or (None,), self.strategies)
        return [
            [Setting(model, system, strategy, amount) for amount in self.amounts]
            for model, system, strategy in combinations
        ]

    def name(self, setting: Setting) -> str:
        """The name of a setting's folder: the values by which it differs from the others."""
        amount = setting.amount
        parts = [(setting.model or "default").replace("/", "-"), amount.effort or str(amount.tokens)]
        if len(self.systems) > 1 and setting.system is not None:
            stems = [file.stem if (file := file_of(system)) else "" for system in self.systems]
            number = self.systems.index(setting.system)
            parts.append(stem if stems.count(stem := stems[number]) == 1 and stem else f"system{number + 1}")
        if len(self.strategies) > 1:
            strategy = setting.strategy
            number = self.strategies.index(strategy) + 1
            parts.append(f"strategy{number}" if strategy.startswith("{") else strategy)
        return "-".join(parts)
