"""What a gateway counts, wired to what its runtime has seen."""

from perpend.observability.metrics import Metrics
from perpend.runtime.runtime import Runtime


def metrics_of(runtime: Runtime) -> Metrics:
    """Fresh counters; calls to upstreams and restarts of engines are read from `runtime` at each scrape."""
    return Metrics(upstreams=runtime.models.places, restarts=runtime.engines.restarts)
