"""Wires a gateway's metrics to its runtime."""

from perpend.observability.metrics import Metrics
from perpend.runtime.runtime import Runtime


def metrics_of(runtime: Runtime) -> Metrics:
    """New metrics; calls to upstreams and restarts of engines are read from `runtime` at each scrape."""
    return Metrics(upstreams=runtime.models.deployments, restarts=runtime.engines.restarts)
