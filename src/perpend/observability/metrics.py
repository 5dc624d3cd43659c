"""Prometheus metrics. A request costs a few additions here; text is made only when somebody scrapes.

All work happens on the server's event loop, so plain numbers do in place of locked ones.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version
from typing import Literal, Protocol

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from perpend.types import Answer, EmbeddingResult, Plan

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_RATIO = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_INDEX = re.compile(r"\[\d+\]")
_LABELS = ("model", "strategy")
_MOST_SERIES = 512
"""Beyond, models are counted together: clients may name any model of a provider."""
_OTHERS = "(others)"


class ObservedBreaker(Protocol):
    """The part of a circuit breaker that metrics read."""

    @property
    def state(self) -> Literal["closed", "half_open", "open"]: ...

    @property
    def openings(self) -> int: ...


class ObservedDeployment(Protocol):
    """A deployment of a model, and what has happened to it."""

    @property
    def name(self) -> str: ...

    @property
    def retried(self) -> int: ...

    @property
    def in_flight(self) -> int: ...

    @property
    def capacity(self) -> float | None: ...

    @property
    def failures(self) -> Mapping[str, int]: ...

    @property
    def breaker(self) -> ObservedBreaker: ...


Upstreams = Mapping[str, Sequence[ObservedDeployment]]
"""By the model that they serve."""


class Histogram:
    """Counts per bucket and the sum of what was observed."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as the exposition format wants them."""
        names = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        out: list[tuple[str, float]] = []
        count = 0
        for name, in_bucket in zip(names, self.counts, strict=True):
            count += in_bucket
            out.append((name, float(count)))
        return out


class _Series:
    """Everything counted for one model under one strategy."""

    __slots__ = (
        *("answer", "cached", "cancelled", "cost", "duration", "errors", "first_token", "input", "ok"),
        *("overdraft_tokens", "overdraft_usd", "ratio", "thinking", "truncated", "unpriced"),
    )

    def __init__(self) -> None:
        self.ok = self.truncated = self.cancelled = self.errors = 0
        self.input = self.cached = self.thinking = self.answer = 0
        self.cost: float | None = None
        """Of those whose cost is known; None: of none."""
        self.unpriced = 0
        self.overdraft_tokens = 0
        self.overdraft_usd = 0.0
        self.duration = Histogram(_SECONDS)
        self.first_token = Histogram(_SECONDS)
        self.ratio = Histogram(_RATIO)

    def pay(self, cost: Decimal | None) -> None:
        if cost is None:
            self.unpriced += 1
        else:
            self.cost = (self.cost or 0.0) + float(cost)


class Metrics(Collector):
    """What has happened since the process began. Label values come from plans, and their number is bounded."""

    def __init__(
        self,
        upstreams: Callable[[], Upstreams] = dict,
        restarts: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """`upstreams` gives the deployments that were asked so far, `restarts` how often each model's engine was
        started again; both are asked at each scrape.
        """
        self.in_flight = 0
        self._series: dict[tuple[str, str], _Series] = {}
        self._errors: dict[str, int] = {}
        self._ignored: dict[str, int] = {}
        self._limits: dict[tuple[str, str, str], int] = {}
        """Of refusals and alerts: which, what is limited, and the limit."""
        self._upstreams_now = upstreams
        self._restarts_now = restarts
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def answered(self, answer: Answer, first_token_s: float | None) -> None:
        """Count an answer; `first_token_s` is None where nobody heard its tokens come."""
        series = self._of(answer.plan)
        if answer.truncated:
            series.truncated += 1
        else:
            series.ok += 1
        for path in answer.ignored:
            self._pass_over(path)
        usage, budget = answer.usage, answer.budget
        series.input += usage.input
        series.cached += usage.cached
        series.thinking += usage.thinking
        series.answer += usage.answer
        series.pay(answer.cost_usd)
        series.duration.observe(answer.elapsed_s)
        if (overdraft := budget.overdraft) is not None:
            series.overdraft_tokens += overdraft.thinking_tokens + overdraft.answer_tokens
            series.overdraft_usd += float(overdraft.cost_usd)
        if first_token_s is not None:
            series.first_token.observe(first_token_s)
        if budget.effective_thinking_tokens and not (answer.cache is not None and answer.cache.hit):
            series.ratio.observe(budget.thinking_tokens_used / budget.effective_thinking_tokens)

    def embedded(self, model: str, made: EmbeddingResult, ignored: Iterable[str]) -> None:
        """Count a request for embeddings; `ignored` are its fields that were passed over."""
        series = self._of(Plan(model=model, effort="none", strategy="embeddings", reason=""))
        series.ok += 1
        series.input += made.usage.input
        series.pay(made.cost_usd)
        for path in ignored:
            self._pass_over(path)

    def failed(self, code: str, plan: Plan | None = None) -> None:
        """An error's code; without a plan it ended before it had one, and belongs to no model."""
        self._errors[code] = self._errors.get(code, 0) + 1
        self._of(plan).errors += 1

    def limit_refused(self, kind: str, limit: str) -> None:
        """Count a request that a limit of a key, user or team refused."""
        self._count_limit("refused", kind, limit)

    def limit_alerted(self, kind: str, limit: str) -> None:
        """Count a limit that is nearly used up."""
        self._count_limit("alerted", kind, limit)

    def cancelled(self, plan: Plan | None) -> None:
        """Count a request whose client went away, or that the server's end cut."""
        self._of(plan).cancelled += 1

    def scrape(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("perpend_build", "This build.", value={"version": version("perpend")})
        yield GaugeMetricFamily(
            "perpend_requests_in_flight", "Requests being answered.", value=self.in_flight
        )
        yield from self._counters()
        yield from self._upstreams()
        yield self._histogram("perpend_request_duration_seconds", "From plan to answer.", "duration")
        yield self._histogram("perpend_time_to_first_token_seconds", "To the first token.", "first_token")
        yield self._histogram("perpend_thinking_budget_used_ratio", "Thinking of its budget.", "ratio")

    def _of(self, plan: Plan | None) -> _Series:
        key = ("", "") if plan is None else (plan.model, plan.strategy)
        series = self._series.get(key)
        if series is None:
            if plan is not None and len(self._series) >= _MOST_SERIES:
                key = (_OTHERS, plan.strategy)
            series = self._series.setdefault(key, _Series())
        return series

    def _count_limit(self, event: str, kind: str, limit: str) -> None:
        counted = event, kind, limit
        self._limits[counted] = self._limits.get(counted, 0) + 1

    def _pass_over(self, path: str) -> None:
        field = _INDEX.sub("[]", path)
        if field not in self._ignored and len(self._ignored) >= _MOST_SERIES:
            field = _OTHERS
        self._ignored[field] = self._ignored.get(field, 0) + 1

    def _counters(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "perpend_requests", "Requests by how they ended.", labels=(*_LABELS, "status")
        )
        tokens = CounterMetricFamily(
            "perpend_tokens", "Tokens; input includes cached.", labels=(*_LABELS, "kind")
        )
        cost = CounterMetricFamily("perpend_cost_usd", "US dollars, where a price is known.", labels=_LABELS)
        unpriced = CounterMetricFamily(
            "perpend_unpriced_requests", "Requests whose cost isn't known.", labels=_LABELS
        )
        overdraft_tokens = CounterMetricFamily(
            "perpend_overdraft_tokens", "Tokens beyond what had been reserved for them.", labels=_LABELS
        )
        overdraft_usd = CounterMetricFamily(
            "perpend_overdraft_usd", "US dollars beyond what had been reserved.", labels=_LABELS
        )
        for key, series in self._series.items():
            for status in ("ok", "truncated", "cancelled", "errors"):
                requests.add_metric((*key, status.removesuffix("s")), getattr(series, status))
            for kind in ("input", "cached", "thinking", "answer"):
                tokens.add_metric((*key, kind), getattr(series, kind))
            if series.cost is not None:
                cost.add_metric(key, series.cost)
            unpriced.add_metric(key, series.unpriced)
            overdraft_tokens.add_metric(key, series.overdraft_tokens)
            overdraft_usd.add_metric(key, series.overdraft_usd)
        errors = CounterMetricFamily("perpend_errors", "Requests that failed, by code.", labels=("code",))
        for code, count in self._errors.items():
            errors.add_metric((code,), count)
        ignored = CounterMetricFamily(
            "perpend_ignored_fields", "Fields of requests that were passed over.", labels=("field",)
        )
        for field, count in self._ignored.items():
            ignored.add_metric((field,), count)
        limits = CounterMetricFamily(
            "perpend_limits",
            "Requests that a limit refused, and limits that were nearly used up (alerted).",
            labels=("event", "subject", "limit"),
        )
        for event, count in self._limits.items():
            limits.add_metric(event, count)
        restarts = CounterMetricFamily("perpend_engine_restarts", "Engine restarts.", labels=("model",))
        for model, count in self._restarts_now().items():
            restarts.add_metric((model,), count)
        yield from (
            requests,
            tokens,
            cost,
            unpriced,
            overdraft_tokens,
            overdraft_usd,
            errors,
            ignored,
            limits,
            restarts,
        )

    def _upstreams(self) -> Iterator[Metric]:
        labels = ("model", "deployment")
        retries = CounterMetricFamily(
            "perpend_upstream_retries", "Calls made again, or at another place.", labels=labels
        )
        failures = CounterMetricFamily(
            "perpend_upstream_failures", "Calls that failed upstream, by code.", labels=(*labels, "code")
        )
        openings = CounterMetricFamily(
            "perpend_upstream_breaker_openings", "Times that a circuit breaker opened.", labels=labels
        )
        breaker = GaugeMetricFamily(
            "perpend_upstream_breaker", "1 for the state that it is in.", labels=(*labels, "state")
        )
        in_flight = GaugeMetricFamily("perpend_upstream_in_flight", "Calls under way.", labels=labels)
        capacity = GaugeMetricFamily(
            "perpend_upstream_capacity", "Calls that it takes at once, where that is known.", labels=labels
        )
        for model, deployments in self._upstreams_now().items():
            for deployment in deployments:
                key = (model, deployment.name)
                retries.add_metric(key, deployment.retried)
                openings.add_metric(key, deployment.breaker.openings)
                in_flight.add_metric(key, deployment.in_flight)
                if deployment.capacity is not None:
                    capacity.add_metric(key, deployment.capacity)
                for code, count in deployment.failures.items():
                    failures.add_metric((*key, code), count)
                for state in ("closed", "half_open", "open"):
                    breaker.add_metric((*key, state), deployment.breaker.state == state)
        yield from (retries, failures, openings, breaker, in_flight, capacity)

    def _histogram(self, name: str, text: str, field: str) -> HistogramMetricFamily:
        family = HistogramMetricFamily(name, text, labels=_LABELS)
        for key, series in self._series.items():
            histogram: Histogram = getattr(series, field)
            family.add_metric(key, histogram.buckets(), histogram.total)
        return family
