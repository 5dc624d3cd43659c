"""Prometheus metrics of the response cache."""

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from perpend.serving.cache.response_cache import ResponseCache


class CacheMetrics(Collector):
    def __init__(self, cache: ResponseCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        cache, counts = self._cache, self._cache.counts
        requests = CounterMetricFamily(
            "perpend_cache_requests",
            "Requests that were looked up in the response cache.",
            labels=("result",),
        )
        for result, count in (
            ("hit", counts.hits - counts.waited),
            ("waited", counts.waited),
            ("miss", counts.misses),
        ):
            requests.add_metric((result,), count)
        yield requests
        yield GaugeMetricFamily("perpend_cache_entries", "Answers that are kept.", cache.entries.count)
        yield GaugeMetricFamily("perpend_cache_bytes", "Bytes that they take.", cache.entries.size)
        yield CounterMetricFamily(
            "perpend_cache_saved_tokens", "Input and output of answers given again.", counts.saved_tokens
        )
        yield CounterMetricFamily(
            "perpend_cache_saved_usd", "What they cost, where it is known.", float(counts.saved_usd)
        )
