"""A server that tells how much it has to do is believed, and one that doesn't is left alone."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from fake_server import serving
from slotted import SlottedServer
from spine import request

from perpend.config.schema import Config, ModelConfig, ProviderConfig
from perpend.deployments.concurrency_limit import ConcurrencyLimit
from perpend.deployments.server_metrics import ServerMetrics, values_of
from perpend.errors import UpstreamError
from perpend.providers.provider import providers
from perpend.runtime import Runtime

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 12.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting{engine="0",model_name="m"} 16.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m"} 99.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 7.5e-01
"""
SGLANG = """\
sglang:token_usage{model_name="m"} 0.28
sglang:num_running_reqs{model_name="m"} 162.0
sglang:num_queue_reqs{model_name="m"} 2826.0
"""


class Page:
    """A server's page, and how often it was read."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.read = 0

    async def __call__(self) -> bytes:
        self.read += 1
        if self.text is None:
            raise UpstreamError("no such page")
        return self.text.encode()


async def told(provider: str, page: Page, *, times: tuple[float, ...] = (5.0,)) -> ConcurrencyLimit:
    limit = ConcurrencyLimit()
    work: list[Coroutine[Any, Any, None]] = []
    names = providers()[provider].load_metrics
    assert names is not None
    metrics = ServerMetrics(names, page, work.append)
    for now in times:
        metrics.look(limit, lambda: 20, now)
        await asyncio.gather(*work)
        work.clear()
    return limit


@pytest.mark.parametrize(
    ("provider", "text", "ours"), [("vllm", VLLM, 20 * 16 / 32), ("sglang", SGLANG, 20 * 162 / 2988)]
)
async def test_of_what_we_have_there_the_part_that_runs_is_what_it_takes(
    provider: str, text: str, ours: float
) -> None:
    assert (await told(provider, Page(text))).value == pytest.approx(ours)


async def test_it_is_asked_once_a_second_and_seldom_where_there_is_no_such_page() -> None:
    times = tuple(n / 4 for n in range(40))
    often, seldom, nothing = Page(VLLM), Page(None), Page("up 1\n")
    for page in (often, seldom, nothing):
        await told("vllm", page, times=times)
    assert (often.read, seldom.read, nothing.read) == (10, 1, 1)


def test_series_of_one_metric_are_told_from_those_of_another() -> None:
    assert values_of(VLLM, "vllm:num_requests_waiting") == [16.0]
    assert values_of(VLLM, "vllm:kv_cache_usage_perc") == [0.75]
    assert values_of("plain 3\n", "plain") == [3.0]


async def test_calls_to_a_vllm_ask_it(tmp_path: Any) -> None:
    server = SlottedServer(slots=1, token_s=0.0)
    async with serving(server.app) as url:
        config = Config(
            home=tmp_path,
            providers={"vllm": ProviderConfig(base_url=f"{url}/v1")},
            models={"m": ModelConfig(provider="vllm")},
        )
        async with await Runtime.open(config) as runtime:
            await runtime.solve(request(model="m"))
    assert server.looked_at == 1
