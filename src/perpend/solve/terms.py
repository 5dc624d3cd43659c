"""What holds for a whole request: what was asked, and how models, budgets and verifiers are found."""

from collections.abc import Callable

from msgspec import Struct

from perpend.errors import BadRequest
from perpend.solve.means import Sink
from perpend.solve.model import ServedModel
from perpend.solve.standin import Resolve, StandIns
from perpend.strategies import compares_by_verifier, with_options
from perpend.types import Effort, Request, StrategySpec, VerifierSpec
from perpend.verifiers import Verifier


class Terms(Struct, frozen=True):
    request: Request
    effort: Effort
    resolve: Resolve
    served: Callable[[str], ServedModel]
    """A model by name; raises NotFound."""
    verifier: Callable[[VerifierSpec], Verifier]
    """Raises BadRequest."""
    unseen: Sink
    """Hears the events of candidates that clients don't see being written."""

    def stand_ins(self, model: ServedModel) -> StandIns:
        return StandIns(self.request, model.fallbacks, self.served, self.resolve)

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


def check_verifiers(
    spec: StrategySpec, asked: VerifierSpec | None, verifier: Callable[[VerifierSpec], Verifier]
) -> None:
    """Raises BadRequest where a verifier isn't known, or lacks what it verifies by; those of strategies inside too."""
    strategy, options = with_options(spec)
    asked = spec.verifier or asked
    lacks_gold = asked is not None and verifier(asked).needs_gold and asked.gold is None
    if asked is not None and lacks_gold and not compares_by_verifier(strategy):
        raise needs_gold(asked.name)
    for inner in options.values():
        if isinstance(inner, StrategySpec):
            check_verifiers(inner, asked, verifier)


def needs_gold(verifier: str) -> BadRequest:
    return BadRequest(
        f"the verifier {verifier!r} needs the right answer",
        hint=f'{{"name": "{verifier}", "gold": …}}',
        field="verifier.gold",
    )
