"""Adds up the metrics of several processes."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_OF_A_PROCESS = ("process_", "python_")
"""Prefixes of metrics about one process: its memory, its files, its garbage collection."""
_CUMULATIVE = ("counter", "histogram")

Labels = tuple[tuple[str, str], ...]


class Samples(Struct, array_like=True):
    """The values of a metric in one process."""

    name: str
    documentation: str
    type: str
    values: list[tuple[str, Labels, float]]
    """Name (of a bucket, a sum …), labels and value of each sample."""


def samples_of(registry: CollectorRegistry) -> list[Samples]:
    """The samples of all metrics of this process."""
    return [
        Samples(
            metric.name,
            metric.documentation,
            metric.type,
            [(sample.name, tuple(sample.labels.items()), float(sample.value)) for sample in metric.samples],
        )
        for metric in registry.collect()
    ]


class Totals:
    """Sums over processes, those that have ended included."""

    def __init__(self) -> None:
        self._samples: dict[str, list[Samples]] = {}
        self._removed: list[Samples] = []

    def update(self, process: str, samples: list[Samples]) -> None:
        self._samples[process] = samples

    def remove(self, process: str) -> None:
        """Forget a process that has ended; its counters and histograms stay in the sums."""
        counted = [
            one
            for one in self._samples.pop(process, ())
            if one.type in _CUMULATIVE and not _is_of_a_process(one)
        ]
        self._removed = [_sampled(one) for one in _summed([self._removed, counted]).values()]

    def text(self) -> bytes:
        """In Prometheus's text format: `process_…` and `python_…` have the label `worker`, all others are sums."""
        labelled = [[_with_worker(one, process) for one in heard] for process, heard in self._samples.items()]
        metrics = _summed([self._removed, *labelled])
        registry = CollectorRegistry()
        registry.register(_Collected(metrics))
        return generate_latest(registry)


class _Sum:
    """A metric, its values by name and labels."""

    def __init__(self, like: Samples) -> None:
        self.like = like
        self.values: dict[tuple[str, Labels], float] = {}

    def add(self, samples: Samples) -> None:
        for name, labels, value in samples.values:
            before = self.values.get((name, labels), 0)
            self.values[name, labels] = value if samples.type == "info" else before + value


class _Collected(Collector):
    def __init__(self, sums: Mapping[str, _Sum]) -> None:
        self._sums = sums

    def collect(self) -> Iterable[Metric]:
        for one in self._sums.values():
            metric = Metric(one.like.name, one.like.documentation, one.like.type)
            for (name, labels), value in one.values.items():
                metric.add_sample(name, dict(labels), value)
            yield metric


def _summed(parts: Iterable[Iterable[Samples]]) -> dict[str, _Sum]:
    sums: dict[str, _Sum] = {}
    for part in parts:
        for samples in part:
            sums.setdefault(samples.name, _Sum(samples)).add(samples)
    return sums


def _sampled(one: _Sum) -> Samples:
    values = [(name, labels, value) for (name, labels), value in one.values.items()]
    return Samples(one.like.name, one.like.documentation, one.like.type, values)


def _is_of_a_process(samples: Samples) -> bool:
    return samples.name.startswith(_OF_A_PROCESS)


def _with_worker(samples: Samples, process: str) -> Samples:
    if not _is_of_a_process(samples):
        return samples
    values = [(name, (*labels, ("worker", process)), value) for name, labels, value in samples.values]
    return Samples(samples.name, samples.documentation, samples.type, values)
