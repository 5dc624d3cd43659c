"""Forecast tokens, dollars and seconds of a run: at most, and as earlier requests of the same kind in the ledger."""

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
    """Of all samples together. None: not known."""

    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    seconds: float | None = None


class ModelPace(Struct, frozen=True, kw_only=True):
    """A model's throughput, from the ledger."""

    requests: int
    at_once: float
    """Mean number of concurrent requests, idle times left out."""
    tokens_per_s: float
    """Output tokens per second of all concurrent requests together."""

    def scaled(self, parallel: int) -> "ModelPace":
        """The pace with `parallel` requests at a time, where a request's speed doesn't depend on the others."""
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
    """Upper bound for all samples: a token is at least a byte."""
    at_most: Consumption
    expected: Consumption
    alike: int
    """Number of requests with the same model, strategy and thinking budget, whose means are the expected figures."""
    pace: ModelPace | None
    detectable: float
    """The smallest difference in accuracy to another run of this size that a two-sided test at p < 0.05 finds with a
    power of 0.8.
    """


def forecast(
    problems: Sequence[Problem],
    settings: RunSettings,
    served: ServedModel,
    effort: Effort,
    history: Sequence[PastRequest],
    parallel: int,
) -> Forecast:
    """Forecast a run on a model of this process.

    `effort`: used where the settings name none; `history`: past requests of this model; `parallel`: requests at a time.
    Raises BadRequest where the settings' strategy doesn't exist.
    """
    thinking = settings.max_thinking_tokens
    if thinking is None:
        thinking = served.effort_tokens[settings.effort or effort]
    strategy = strategy_spec(settings.strategy).name
    max_output = settings.max_output_tokens
    if max_output is None and strategy == "single":  # others answer more than once
        max_output = thinking + served.answer_tokens
    samples = len(problems) * settings.samples
    pace = pace_of(history)
    if pace is not None and served.provider != EMBEDDED:
        pace = pace.scaled(parallel)
    similar = [
        request
        for request in history
        if (request.strategy, request.requested_thinking) == (strategy, thinking)
    ]
    cost = None
    if max_output is not None and strategy == "single" and served.price.known:
        cost = settings.samples * _sum(
            _worst_cost(served, problem, thinking, max_output) for problem in problems
        )
    expected = Consumption()
    if similar:
        costs = together(request.cost_usd for request in similar)
        expected_cost = None if costs is None else costs * samples / len(similar)
        expected = _consumption(
            round(samples * fmean(request.output for request in similar)), expected_cost, pace
        )
    return Forecast(
        n=len(problems),
        samples=samples,
        prompt_tokens=settings.samples * sum(served.input_bound(problem.messages) for problem in problems),
        at_most=_consumption(None if max_output is None else samples * max_output, cost, pace),
        expected=expected,
        alike=len(similar),
        pace=pace,
        detectable=_detectable(problems),
    )


def of_gateway(problems: Sequence[Problem], settings: RunSettings) -> Forecast:
    """Forecast a run on a gateway: tokens alone, since prices and ledger are the gateway's."""
    samples, max_output = len(problems) * settings.samples, settings.max_output_tokens
    return Forecast(
        n=len(problems),
        samples=samples,
        prompt_tokens=settings.samples * sum(messages_bound(problem.messages) for problem in problems),
        at_most=Consumption(output_tokens=None if max_output is None else samples * max_output),
        expected=Consumption(),
        alike=0,
        pace=None,
        detectable=_detectable(problems),
    )


def pace_of(history: Sequence[PastRequest]) -> ModelPace | None:
    """Measure a model's throughput, idle times left out. None where nothing was generated."""
    busy_ms = until_ms = request_ms = 0
    for request in sorted(history, key=lambda request: request.created_at):
        request_ms += request.finished_at - request.created_at
        busy_ms += max(0, request.finished_at - max(until_ms, request.created_at))
        until_ms = max(until_ms, request.finished_at)
    output = sum(request.output for request in history)
    if not (busy_ms and output):
        return None
    return ModelPace(
        requests=len(history), at_once=request_ms / busy_ms, tokens_per_s=1000 * output / busy_ms
    )


def _detectable(problems: Sequence[Problem]) -> float:
    """The smallest detectable difference where the two runs disagree on a quarter of the problems."""
    return detectable(0.5, len(problems))


def _consumption(output_tokens: int | None, cost_usd: Decimal | None, pace: ModelPace | None) -> Consumption:
    seconds = None if output_tokens is None or pace is None else output_tokens / pace.tokens_per_s
    return Consumption(output_tokens=output_tokens, cost_usd=cost_usd, seconds=seconds)


def _worst_cost(served: ServedModel, problem: Problem, thinking: int, max_output: int) -> Decimal:
    costs = served.worst_costs(served.input_bound(problem.messages))
    thinking = min(thinking, max_output)
    return costs.fixed + costs.thinking * thinking + costs.answer * (max_output - thinking)


def _sum(dollars: Iterable[Decimal]) -> Decimal:
    return sum(dollars, Decimal(0))
