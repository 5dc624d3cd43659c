"""What Prometheus reads of the response cache: no label has anything of a tenant's."""

import asyncio
from decimal import Decimal

from cached_spine import CachedSpine
from prometheus_client import CollectorRegistry, generate_latest
from spine import PRICED, request
from words import WordBackend

from perpend.observability.metrics import Metrics
from perpend.serving.cache.metrics import CacheMetrics


def scraped(spine: CachedSpine) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(CacheMetrics(spine.cache))
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))
    }


async def test_hits_and_misses_and_what_was_saved() -> None:
    spine = CachedSpine(WordBackend(thought=5, reply=3), price=PRICED)
    asked = request(cache=True, max_thinking_tokens=40)
    first, *_ = await asyncio.gather(*(spine.ask_as("key_secret", asked) for _ in range(3)))
    await spine.ask_as("key_secret", asked)
    assert first.cost_usd
    got = scraped(spine)
    assert got['perpend_cache_requests_total{result="miss"}'] == 1
    assert got['perpend_cache_requests_total{result="waited"}'] == 2
    assert got['perpend_cache_requests_total{result="hit"}'] == 1
    assert got["perpend_cache_entries"] == 1
    assert got["perpend_cache_bytes"] == spine.cache.entries.size > 512
    assert got["perpend_cache_saved_tokens_total"] == 3 * first.usage.total
    assert Decimal(str(got["perpend_cache_saved_usd_total"])) == 3 * first.cost_usd
    assert not [name for name in got if "secret" in name]


async def test_a_hit_says_nothing_of_how_much_is_thought() -> None:
    spine, metrics = CachedSpine(WordBackend(thought=5, reply=3)), Metrics()
    asked = request(cache=True, max_thinking_tokens=40)
    for _ in range(3):
        metrics.answered(await spine.ask_as("a", asked), None)
    text = metrics.scrape().decode()
    assert 'perpend_thinking_budget_used_ratio_count{model="m",strategy="single"} 1.0' in text
    assert 'perpend_requests_total{model="m",status="ok",strategy="single"} 3.0' in text
    assert 'perpend_tokens_total{kind="thinking",model="m",strategy="single"} 5.0' in text
