"""What a run will take, before anything is asked: at most, and as the ledger's requests of the same kind did."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from statistics import fmean

from msgspec import Struct

from perpend.accounting.prices import together
from perpend.config.schema import EMBEDDED
from perpend.evals.problems import Problem
from perpend.evals.runs.samples import RunSettings
from perpend.solve import ServedModel
from perpend.solve.model import messages_bound
from perpend.statistics import detectable
from perpend.storage.past_requests import PastRequest
from perpend.strategies import strategy_spec
from perpend.types import Effort


class Consumption(Struct, frozen=True, kw_only=True):
    """By all samples. None: not known."""

    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    seconds: float | None = None


class ModelPace(Struct, frozen=True, kw_only=True):
    """Of a model, from the ledger."""

    requests: int
    at_once: float
    """Requests under way while there were any, mean."""
    tokens_per_s: float
    """Output of all that were under way."""

    def scaled(self, parallel: int) -> "ModelPace":
        """Where each request has a server to itself."""
        return ModelPace(
            requests=self.requests,
            at_once=parallel,
            tokens_per_s=self.tokens_per_s * parallel / self.at_once,
        )


class Forecast(Struct, frozen=True, kw_only=True):
    n: int
    """Problems."""
    samples: int
    prompt_tokens: int
    """Of all samples, at most: a token is at least a byte."""
    at_most: Consumption
    expected: Consumption
    alike: int
    """Requests with the same model, strategy and thinking budget, which the expected figures are the means of."""
    pace: ModelPace | None
    detectable: float
    """The smallest difference in accuracy to another run of this size that is found at p < 0.05 with a power of 0.8."""


def forecast(
    problems: Sequence[Problem],
    settings: RunSettings,
    served: ServedModel,
    effort: Effort,
    history: Sequence[PastRequest],
    parallel: int,
) -> Forecast:
    """`effort`: where the settings name none. `history`: of this model."""
    thinking = settings.max_thinking_tokens
    if thinking is None:
        thinking = served.effort_tokens[settings.effort or effort]
    strategy = strategy_spec(settings.strategy).name
    most = settings.max_output_tokens
    if most is None and strategy == "single":  # others answer more than once
        most = thinking + served.answer_tokens
    samples = len(problems) * settings.samples
    pace = pace_of(history)
    if pace is not None and served.provider != EMBEDDED:
        pace = pace.scaled(parallel)
    alike = [one for one in history if (one.strategy, one.requested_thinking) == (strategy, thinking)]
    cost = None
    if most is not None and strategy == "single" and served.price.known:
        cost = settings.samples * _sum(_worst(served, problem, thinking, most) for problem in problems)
    expected = Consumption()
    if alike:
        costs = together(one.cost_usd for one in alike)
        spent = None if costs is None else costs * samples / len(alike)
        expected = _consumption(round(samples * fmean(one.output for one in alike)), spent, pace)
    return Forecast(
        n=len(problems),
        samples=samples,
        prompt_tokens=settings.samples * sum(served.input_bound(problem.messages) for problem in problems),
        at_most=_consumption(None if most is None else samples * most, cost, pace),
        expected=expected,
        alike=len(alike),
        pace=pace,
        detectable=_detectable(problems),
    )


def of_gateway(problems: Sequence[Problem], settings: RunSettings) -> Forecast:
    """What can be said without asking it: it has the prices, and the ledger."""
    samples, most = len(problems) * settings.samples, settings.max_output_tokens
    return Forecast(
        n=len(problems),
        samples=samples,
        prompt_tokens=settings.samples * sum(messages_bound(problem.messages) for problem in problems),
        at_most=Consumption(output_tokens=None if most is None else samples * most),
        expected=Consumption(),
        alike=0,
        pace=None,
        detectable=_detectable(problems),
    )


def pace_of(history: Sequence[PastRequest]) -> ModelPace | None:
    """Idle times between requests don't count. None where nothing was generated."""
    busy = until = asked = 0
    for one in sorted(history, key=lambda one: one.created_at):
        asked += one.finished_at - one.created_at
        busy += max(0, one.finished_at - max(until, one.created_at))
        until = max(until, one.finished_at)
    output = sum(one.output for one in history)
    if not (busy and output):
        return None
    return ModelPace(requests=len(history), at_once=asked / busy, tokens_per_s=1000 * output / busy)


def _detectable(problems: Sequence[Problem]) -> float:
    """Where the two runs disagree on a quarter of the problems."""
    return detectable(0.5, len(problems))


def _consumption(output_tokens: int | None, cost_usd: Decimal | None, pace: ModelPace | None) -> Consumption:
    seconds = None if output_tokens is None or pace is None else output_tokens / pace.tokens_per_s
    return Consumption(output_tokens=output_tokens, cost_usd=cost_usd, seconds=seconds)


def _worst(served: ServedModel, problem: Problem, thinking: int, most: int) -> Decimal:
    costs = served.worst_costs(served.input_bound(problem.messages))
    thinking = min(thinking, most)
    return costs.fixed + costs.thinking * thinking + costs.answer * (most - thinking)


def _sum(dollars: Iterable[Decimal]) -> Decimal:
    return sum(dollars, Decimal(0))
