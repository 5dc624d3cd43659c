"""What admission tells Prometheus, with labels whose number is bounded."""

from prometheus_client import CollectorRegistry, generate_latest

from perpend.serving.admission.metrics import AdmissionMetrics
from perpend.types import ServiceClass


class Load:
    calls = 3

    def waiting(self) -> dict[ServiceClass, int]:
        return {"batch": 2}


def text_of(metrics: AdmissionMetrics) -> list[str]:
    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry).decode().splitlines()


def test_loads_waits_and_what_was_given_up() -> None:
    metrics = AdmissionMetrics(lambda: {"m": Load()})
    metrics.waited("m", "batch", 3.0)
    metrics.lowered("m", "batch", "thinking")
    metrics.refused("m", "interactive")
    metrics.spent("m", 100.5, 90)
    lines = text_of(metrics)
    for line in (
        'perpend_admitted_calls{model="m"} 3.0',
        'perpend_queue_length{class="batch",model="m"} 2.0',
        'perpend_queue_length{class="interactive",model="m"} 0.0',
        'perpend_queue_wait_seconds_bucket{class="batch",le="5",model="m"} 1.0',
        'perpend_queue_wait_seconds_bucket{class="batch",le="2",model="m"} 0.0',
        'perpend_lowered_total{class="batch",model="m",what="thinking"} 1.0',
        'perpend_refused_total{class="interactive",model="m"} 1.0',
        'perpend_expected_tokens_total{model="m"} 100.5',
        'perpend_admitted_tokens_total{model="m"} 90.0',
    ):
        assert line in lines


def test_models_that_clients_name_are_counted_together_beyond_a_bound() -> None:
    metrics = AdmissionMetrics(dict)
    for number in range(1000):
        metrics.refused(f"m{number}", "standard")
        metrics.spent(f"m{number}", 1, 1)
    lines = text_of(metrics)
    assert len([line for line in lines if line.startswith("perpend_refused_total{")]) == 257
    assert 'perpend_refused_total{class="standard",model="(others)"} 744.0' in lines
    assert 'perpend_admitted_tokens_total{model="(others)"} 744.0' in lines
