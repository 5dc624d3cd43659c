"""What Prometheus reads after some requests."""

from decimal import Decimal

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from scripted import PLAN, answer

from perpend.backends.replay import ReplayBackend
from perpend.deployments.pool import Deployment
from perpend.errors import RateLimited, UpstreamTimeout
from perpend.observability.metrics import Histogram, Metrics
from perpend.types import Overdraft

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(metrics: Metrics) -> Samples:
    """Every sample by its name and its label values."""
    families = text_string_to_metric_families(metrics.scrape().decode())
    return {
        (one.name, tuple(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def test_models_without_end_are_counted_together() -> None:
    metrics = Metrics()
    for number in range(600):
        metrics.cancelled(replace(PLAN, model=f"somewhere/{number}"))
    got = samples(metrics)
    counted = {
        labels[0]: value
        for (name, labels), value in got.items()
        if name == "perpend_requests_total" and value
    }
    assert (len(counted), sum(counted.values())) == (513, 600)


def test_answers_are_counted_by_model_strategy_and_how_they_ended() -> None:
    metrics = Metrics()
    metrics.answered(answer(), first_token_s=0.02)
    metrics.answered(answer(), first_token_s=None)
    metrics.answered(answer(stop="deadline"), first_token_s=0.3)
    metrics.cancelled(PLAN)
    got = samples(metrics)
    assert got["perpend_requests_total", ("small", "ok", "single")] == 2
    assert got["perpend_requests_total", ("small", "truncated", "single")] == 1
    assert got["perpend_requests_total", ("small", "cancelled", "single")] == 1
    assert got["perpend_tokens_total", ("input", "small", "single")] == 27
    assert got["perpend_tokens_total", ("cached", "small", "single")] == 9
    assert got["perpend_tokens_total", ("thinking", "small", "single")] == 15
    assert got["perpend_tokens_total", ("answer", "small", "single")] == 6
    assert round(got["perpend_cost_usd_total", ("small", "single")], 9) == 0.000369
    assert got["perpend_request_duration_seconds_sum", ("small", "single")] == 0.75
    assert got["perpend_time_to_first_token_seconds_count", ("small", "single")] == 2
    assert got["perpend_thinking_budget_used_ratio_bucket", ("0.1", "small", "single")] == 3
    assert got["perpend_thinking_budget_used_ratio_bucket", ("0.05", "small", "single")] == 0


def test_errors_are_counted_by_code_with_a_plan_or_without() -> None:
    metrics = Metrics()
    metrics.failed("upstream_error", PLAN)
    metrics.failed("invalid_request_error")
    got = samples(metrics)
    assert got["perpend_errors_total", ("upstream_error",)] == 1
    assert got["perpend_requests_total", ("small", "error", "single")] == 1
    assert got["perpend_requests_total", ("", "error", "")] == 1


def test_gauges_are_read_at_the_scrape() -> None:
    metrics = Metrics(restarts=lambda: {"small": 2})
    metrics.in_flight = 3
    got = samples(metrics)
    assert got["perpend_requests_in_flight", ()] == 3
    assert got["perpend_engine_restarts_total", ("small",)] == 2


def test_a_histogram_counts_into_the_first_bucket_that_holds_the_value() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.buckets() == [("1", 2.0), ("2", 3.0), ("+Inf", 4.0)]
    assert histogram.total == 12.0


async def test_where_upstreams_fail_and_what_is_done_about_it() -> None:
    place = Deployment("mine", ReplayBackend([]), model="m", key=1)
    for _ in range(5):
        place.failed(UpstreamTimeout("silence"))
    place.failed(RateLimited("slow down"))
    place.retried += 3
    metrics = Metrics(upstreams=lambda: {"small": (place,)})
    got = samples(metrics)
    where = ("mine/m#2", "small")
    assert got["perpend_upstream_retries_total", where] == 3
    assert got["perpend_upstream_breaker_openings_total", where] == 1
    assert got["perpend_upstream_in_flight", where] == 0
    assert got["perpend_upstream_failures_total", ("upstream_timeout", *where)] == 5
    assert got["perpend_upstream_failures_total", ("upstream_rate_limit", *where)] == 1
    assert got["perpend_upstream_breaker", (*where, "open")] == 1
    assert got["perpend_upstream_breaker", (*where, "closed")] == 0


def test_a_cost_that_nobody_knows_is_counted_apart_and_never_as_nothing() -> None:
    metrics = Metrics()
    dark = replace(PLAN, model="dark")
    metrics.answered(replace(answer(), plan=dark, cost_usd=None), first_token_s=None)
    metrics.answered(answer(), first_token_s=None)
    got = samples(metrics)
    assert ("perpend_cost_usd_total", ("dark", "single")) not in got
    assert got["perpend_unpriced_requests_total", ("dark", "single")] == 1
    assert got["perpend_unpriced_requests_total", ("small", "single")] == 0
    assert got["perpend_cost_usd_total", ("small", "single")] > 0


def test_what_was_spent_beyond_its_reservation_is_counted() -> None:
    metrics = Metrics()
    overdraft = Overdraft(thinking_tokens=3, answer_tokens=4, cost_usd=Decimal("0.002"))
    metrics.answered(replace(answer(), budget=replace(answer().budget, overdraft=overdraft)), None)
    metrics.answered(answer(), None)
    got = samples(metrics)
    assert got["perpend_overdraft_tokens_total", ("small", "single")] == 7
    assert got["perpend_overdraft_usd_total", ("small", "single")] == 0.002
