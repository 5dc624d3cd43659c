"""Prometheus metrics of admission."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, Protocol

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from perpend.observability.metrics import Histogram
from perpend.types import SERVICE_CLASSES, ServiceClass

LoweredWhat = Literal["thinking", "candidates", "model"]

_LABELS = ("model", "class")
_WAITS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)
_MOST_MODELS = 256
"""The most models with their own labels; others are counted together, since clients may name any model."""
_OTHERS = "(others)"


class ObservedLoad(Protocol):
    """The current load of one model."""

    @property
    def calls(self) -> int: ...

    def waiting(self) -> Mapping[ServiceClass, int]: ...


class AdmissionMetrics(Collector):
    """Counts events; metrics are built at a scrape."""

    def __init__(self, loads: Callable[[], Mapping[str, ObservedLoad]]) -> None:
        """`loads` returns the loads of all models by name."""
        self._loads = loads
        self._models: set[str] = set()
        self._waits: dict[tuple[str, str], Histogram] = {}
        self._lowered: Counter[tuple[str, str, str]] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._tokens: dict[str, list[float]] = {}
        """By model: expected and real output tokens."""

    def waited(self, model: str, service_class: ServiceClass, seconds: float) -> None:
        """Observes the seconds that a request waited before it started."""
        key = (self._bounded(model), service_class)
        waits = self._waits.get(key)
        if waits is None:
            waits = self._waits[key] = Histogram(_WAITS_S)
        waits.observe(seconds)

    def lowered(self, model: str, service_class: ServiceClass, what: LoweredWhat) -> None:
        self._lowered[self._bounded(model), service_class, what] += 1

    def refused(self, model: str, service_class: ServiceClass) -> None:
        self._refused[self._bounded(model), service_class] += 1

    def spent(self, model: str, expected: float, real: int) -> None:
        """Adds the expected and the real output tokens of a request that ended."""
        tokens = self._tokens.get(model) or self._tokens.setdefault(self._bounded(model), [0.0, 0])
        tokens[0] += expected
        tokens[1] += real

    def collect(self) -> Iterable[Metric]:
        calls = GaugeMetricFamily(
            "perpend_admitted_calls", "Calls at once of the requests under way.", labels=("model",)
        )
        queue = GaugeMetricFamily("perpend_queue_length", "Requests that wait.", labels=_LABELS)
        for model, load in self._loads().items():
            calls.add_metric((model,), load.calls)
            waiting = load.waiting()
            for service_class in SERVICE_CLASSES:
                queue.add_metric((model, service_class), waiting.get(service_class, 0))
        waits = HistogramMetricFamily("perpend_queue_wait_seconds", "Of those that waited.", labels=_LABELS)
        for key, histogram in self._waits.items():
            waits.add_metric(key, histogram.buckets(), histogram.total)
        lowered = CounterMetricFamily(
            "perpend_lowered", "Requests that were given less, by what.", labels=(*_LABELS, "what")
        )
        for labels, count in self._lowered.items():
            lowered.add_metric(labels, count)
        refused = CounterMetricFamily("perpend_refused", "Requests that were refused.", labels=_LABELS)
        for labels, count in self._refused.items():
            refused.add_metric(labels, count)
        expected = CounterMetricFamily(
            "perpend_expected_tokens", "Output tokens, as expected at admission.", labels=("model",)
        )
        real = CounterMetricFamily(
            "perpend_admitted_tokens", "Output tokens of the same requests, as they were.", labels=("model",)
        )
        for model, (before, after) in self._tokens.items():
            expected.add_metric((model,), before)
            real.add_metric((model,), after)
        yield from (calls, queue, waits, lowered, refused, expected, real)

    def _bounded(self, model: str) -> str:
        if model not in self._models:
            if len(self._models) >= _MOST_MODELS:
                return _OTHERS
            self._models.add(model)
        return model
