"""What holds for a whole request: what was asked, and how models, budgets and verifiers are found."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from perpend.errors import BadRequest, ConfigError
from perpend.solve.fallback import Fallbacks, Resolve
from perpend.solve.model import ServedModel
from perpend.strategies import Strategy, compares_by_verifier, with_options
from perpend.types import Effort, Request, StrategySpec, VerifierSpec
from perpend.verifiers import Task, Verifier

Chosen = tuple[Strategy, dict[str, Any]]
"""A strategy and its checked options."""


class RequestContext(Struct, frozen=True):
    request: Request
    effort: Effort
    resolve: Resolve
    served: Callable[[str], ServedModel]
    """A model by name; raises NotFound."""
    verifier: Callable[[VerifierSpec], Verifier]
    """Raises BadRequest."""

    def fallbacks(self, model: ServedModel) -> Fallbacks:
        return Fallbacks(self.request, model.fallbacks, self.served, self.resolve)

    def other(self, name: str) -> ServedModel:
        """A second model for the same request. Raises NotFound, and BadRequest where its price isn't known."""
        model = self.served(name)
        require_price(self.request, model)
        return model


def require_price(request: Request, model: ServedModel) -> None:
    """Raises BadRequest where a cap is to hold over a price that isn't known."""
    if request.limits.max_cost_usd is not None and not model.price.known:
        raise BadRequest(
            f"no price of {model.name!r} is known, so max_cost_usd can't hold",
            hint="give it a price under [models] in perpend.toml ({ input = 0, output = 0 } where it's free)",
            field="max_cost_usd",
        )


async def check_verifiers(
    request: Request,
    chosen: Chosen,
    verifier: Callable[[VerifierSpec], Verifier],
    served: Callable[[str], ServedModel],
    until: float | None = None,
) -> None:
    """`chosen`: the request's strategy and its options.

    Raises BadRequest where a verifier isn't known or isn't to be had here, lacks what it verifies by, or can't
    verify by it; those of strategies inside too. What can't be judged `until` then isn't held against it.
    """
    asked = request.strategy.verifier or request.verifier
    try:
        made = [(strategy, spec, verifier(spec)) for strategy, spec in _asked(chosen, asked)]
        for strategy, spec, one in made:
            if one.needs_gold and spec.gold is None and not compares_by_verifier(strategy):
                raise needs_gold(spec.name)
            if one.judge_model:
                require_price(request, served(one.judge_model))
        if made:
            async with asyncio.timeout_at(until):
                for _, spec, one in made:
                    if spec.gold is not None or not one.needs_gold:
                        await one.check(Task(gold=spec.gold))
    except TimeoutError:
        pass
    except ConfigError as error:
        raise BadRequest(error.message, hint=error.hint, field="verifier") from None


def _asked(chosen: Chosen, asked: VerifierSpec | None) -> Iterator[tuple[Strategy, VerifierSpec]]:
    strategy, options = chosen
    if asked is not None:
        yield strategy, asked
    for inner in options.values():
        if isinstance(inner, StrategySpec):
            yield from _asked(with_options(inner), inner.verifier or asked)


def needs_gold(verifier: str) -> BadRequest:
    return BadRequest(
        f"the verifier {verifier!r} needs the right answer",
        hint=f'{{"name": "{verifier}", "gold": …}}',
        field="verifier.gold",
    )
