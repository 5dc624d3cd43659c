"""The metrics of several processes as those of one: sums, and what each process says of itself beside the others'."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_OF_A_PROCESS = ("process_", "python_")
"""What begins so is about one process: its memory, its files, its garbage."""
_GROWS = ("counter", "histogram")

Labels = tuple[tuple[str, str], ...]


class Samples(Struct, array_like=True):
    """A metric's values in one process."""

    name: str
    documentation: str
    type: str
    values: list[tuple[str, Labels, float]]
    """Each with its own name (of a bucket, a sum …) and labels."""


def samples_of(registry: CollectorRegistry) -> list[Samples]:
    """All that a process counts now."""
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
    """Sums over processes. What one that is gone had counted when it was last heard of stays in them."""

    def __init__(self) -> None:
        self._heard: dict[str, list[Samples]] = {}
        self._gone: list[Samples] = []

    def heard(self, process: str, samples: list[Samples]) -> None:
        self._heard[process] = samples

    def gone(self, process: str) -> None:
        """Its gauges go with it."""
        counted = [one for one in self._heard.pop(process, ()) if one.type in _GROWS and not _is_own(one)]
        self._gone = [_sampled(one) for one in _summed([self._gone, counted]).values()]

    def text(self) -> bytes:
        """What Prometheus reads: `process_…` and `python_…` have the label `worker`, all others are sums."""
        labelled = [[_labelled(one, process) for one in heard] for process, heard in self._heard.items()]
        metrics = _summed([self._gone, *labelled])
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


def _is_own(samples: Samples) -> bool:
    return samples.name.startswith(_OF_A_PROCESS)


def _labelled(samples: Samples, process: str) -> Samples:
    if not _is_own(samples):
        return samples
    values = [(name, (*labels, ("worker", process)), value) for name, labels, value in samples.values]
    return Samples(samples.name, samples.documentation, samples.type, values)
