"""Several processes' metrics as one: sums that never go backwards, and each process's own beside the others'."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families
from scripted import answer

from perpend.observability.metrics import Metrics
from perpend.observability.totals import Samples, Totals, samples_of


def values(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text.decode())
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def counted(requests: int, in_flight: int = 0) -> list[Samples]:
    metrics = Metrics()
    metrics.in_flight = in_flight
    for _ in range(requests):
        metrics.answered(answer(), 0.02)
    return samples_of(metrics.registry)


OK: Any = ("perpend_requests_total", (("model", "small"), ("status", "ok"), ("strategy", "single")))


def test_one_process_alone_is_told_as_it_tells_itself() -> None:
    metrics = Metrics()
    metrics.answered(answer(), 0.02)
    totals = Totals()
    totals.update("0", samples_of(metrics.registry))
    told = {key: value for key, value in values(totals.text()).items() if key[0].startswith("perpend_")}
    alone = {key: value for key, value in values(metrics.scrape()).items() if key[0].startswith("perpend_")}
    assert told == alone


def test_counters_histograms_and_gauges_are_sums_and_the_build_is_one() -> None:
    totals = Totals()
    totals.update("0", counted(2, in_flight=1))
    totals.update("1", counted(3, in_flight=4))
    told = values(totals.text())
    assert told[OK] == 5
    assert told["perpend_requests_in_flight", ()] == 5
    seconds = (("model", "small"), ("strategy", "single"))
    assert told["perpend_time_to_first_token_seconds_count", seconds] == 5
    assert told["perpend_time_to_first_token_seconds_bucket", (("le", "+Inf"), *seconds)] == 5
    assert [value for (name, _), value in told.items() if name == "perpend_build_info"] == [1]


def test_what_is_about_a_process_has_its_name() -> None:
    registry = CollectorRegistry()
    Gauge("process_open_fds", "Files.", registry=registry).set(7)
    totals = Totals()
    totals.update("0", samples_of(registry))
    totals.update("supervisor", samples_of(registry))
    told = values(totals.text())
    assert told["process_open_fds", (("worker", "0"),)] == 7
    assert told["process_open_fds", (("worker", "supervisor"),)] == 7
    totals.remove("0")
    assert list(values(totals.text())) == [("process_open_fds", (("worker", "supervisor"),))]


def test_who_is_gone_leaves_its_counts_and_takes_its_gauges() -> None:
    totals = Totals()
    totals.update("0", counted(2, in_flight=3))
    totals.remove("0")
    totals.update("0", counted(1, in_flight=1))
    told = values(totals.text())
    assert told[OK] == 3
    assert told["perpend_requests_in_flight", ()] == 1


@given(st.lists(st.tuples(st.sampled_from("012"), st.integers(0, 3), st.booleans())))
def test_sums_never_go_backwards(steps: list[tuple[str, int, bool]]) -> None:
    """Each step: a process counts some, and is heard; or it dies, and another begins in its slot."""
    totals = Totals()
    counts: dict[str, int] = {}
    before = 0.0
    for process, more, dies in steps:
        if dies:
            totals.remove(process)
            counts[process] = 0
        else:
            counts[process] = counts.get(process, 0) + more
            registry = CollectorRegistry()
            Counter("things", "Some.", registry=registry).inc(counts[process])
            Histogram("seconds", "Some.", registry=registry, buckets=(1, 2)).observe(counts[process])
            totals.update(process, samples_of(registry))
        now = values(totals.text()).get(("things_total", ()), 0)
        assert now >= before
        before = now
    assert before == sum(more for _, more, dies in steps if not dies)
