"""Limits hold whoever asks at once, are told in words and headers, and outlive their counters."""

import asyncio
import dataclasses
import datetime as dt
import itertools
import shutil
from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import House, gateway
from spine import FREE, PRICED, Spine, request
from words import WordBackend

from perpend.accounting.prices import UNKNOWN, Price
from perpend.config.limits import Allowance, LimitsConfig
from perpend.errors import BadRequest, CapReached, Forbidden, Overloaded
from perpend.observability.metrics import Metrics
from perpend.serving.limits.limiter import Limiter
from perpend.serving.limits.wiring import FOLDER, limiter_of
from perpend.solve import Gate, Origin, Sink, solve
from perpend.solve.embed import EmbeddingDeployment, embed
from perpend.storage.allowances import set_allowance
from perpend.storage.keys import KeyRing, change_key, create_key
from perpend.storage.store import Store
from perpend.storage.usage import used_by
from perpend.types import Answer, EmbeddingRequest, EmbeddingResult, Request, Usage


class Tenants:
    """A store with keys, and a spine whose requests pass their limits."""

    def __init__(self, home: Path, config: LimitsConfig | None = None, price: Price = FREE) -> None:
        self.home = home
        self.store = Store.open(home / "perpend.db")
        self.config = config or LimitsConfig()
        self.backend = WordBackend(thought=20, reply=3)
        self.spine = Spine(self.backend, price=price)
        self.metrics = Metrics()
        self._ticks = itertools.count(step=10.0)  # whatever was changed is seen at once
        self.start()

    def start(self) -> None:
        """As a gateway that comes up."""
        self.keys = KeyRing(self.store, clock=self._now)
        self.limiter: Limiter = limiter_of(self.config, self.keys, self.store, self.home, self.metrics)

    def key(self, name: str = "app", team: str | None = None, **limits: Any) -> str:
        _, row = create_key(self.store, name, team=team, limits=Allowance(**limits) if limits else None)
        return row.id

    async def ask(self, key_id: str | None = None, user: str | None = None, **fields: Any) -> Answer:
        return await self.solve(request(user=user, **fields), None, None, Origin("chat", key_id, user))

    async def solve(self, asked: Request, sink: Sink | None, gate: Gate | None, origin: Origin) -> Answer:
        gate = gate or self.limiter.gate(origin.key_id, asked.user)
        services = dataclasses.replace(self.spine.services, recorder=self.store.writer)
        return await solve(asked, services, sink, gate=gate, origin=origin)

    def _now(self) -> float:
        return next(self._ticks)

    async def aclose(self) -> None:
        await self.limiter.aclose()
        self.store.close()


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncGenerator[Tenants, None]:
    made = Tenants(tmp_path, price=PRICED)
    yield made
    await made.aclose()


async def test_who_has_no_limits_passes_no_gate(tenants: Tenants) -> None:
    key = tenants.key()
    assert tenants.limiter.gate(key, "ada") is None
    assert not (tenants.home / FOLDER).exists()


async def test_requests_of_a_minute_are_refilled_steadily(tenants: Tenants) -> None:
    key = tenants.key(requests_per_minute=3)
    for _ in range(3):
        await tenants.ask(key)
    with pytest.raises(Overloaded) as refused:
        await tenants.ask(key)
    assert refused.value.field == "requests_per_minute"
    assert refused.value.message == "the key 'app' has used requests_per_minute (3)"
    assert refused.value.retry_after is not None
    assert 19 < refused.value.retry_after <= 20
    assert tenants.backend.streaming == 0
    assert b'perpend_limits_total{event="refused",limit="requests_per_minute"' in tenants.metrics.scrape()


async def test_requests_of_a_day_come_back_at_midnight(tenants: Tenants) -> None:
    key = tenants.key(requests_per_day=1)
    await tenants.ask(key)
    with pytest.raises(Overloaded) as refused:
        await tenants.ask(key)
    now = dt.datetime.now(dt.UTC)
    midnight = (now + dt.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert refused.value.retry_after is not None
    assert abs(refused.value.retry_after - (midnight - now).total_seconds()) < 5


@pytest.mark.parametrize(
    ("limit", "used"), [("input_tokens_per_minute", 5), ("thinking_tokens_per_minute", 20)]
)
async def test_tokens_that_were_not_used_come_back(tenants: Tenants, limit: str, used: int) -> None:
    limits: dict[str, Any] = {limit: 1000}
    key = tenants.key(**limits)
    answer = await tenants.ask(key, max_thinking_tokens=900)
    assert answer.usage.thinking == 20
    headers = dict(tenants.limiter.headers(key, None))
    left = int(headers[f"x-ratelimit-remaining-{limit.split('_', maxsplit=1)[0]}-tokens".encode()])
    assert 1000 - left <= used + 5


async def test_a_days_thinking_gives_way_before_the_request_does(tenants: Tenants) -> None:
    key = tenants.key(thinking_tokens_per_day=30)
    first, second, third = [await tenants.ask(key, max_thinking_tokens=100) for _ in range(3)]
    assert [answer.usage.thinking for answer in (first, second, third)] == [20, 10, 0]
    assert second.budget.lowered_by == third.budget.lowered_by == "allowance"
    assert third.text == "w0 w1 w2 "


async def test_so_many_at_a_time(tenants: Tenants) -> None:
    key = tenants.key(concurrent_requests=2)
    tenants.backend.delay_s = 0.01
    results = await asyncio.gather(*(tenants.ask(key) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, Answer) for result in results) == 2
    assert all(isinstance(result, Answer | Overloaded) for result in results)
    await tenants.ask(key)


async def test_what_one_request_may_think_and_cost(tenants: Tenants) -> None:
    key = tenants.key(max_thinking_tokens=7, max_cost_usd=Decimal("0.5"))
    answer = await tenants.ask(key, max_thinking_tokens=100)
    assert (answer.usage.thinking, answer.budget.lowered_by) == (7, "allowance")


@pytest.mark.parametrize(
    ("limits", "fields", "field"),
    [
        ({"models": ("other-*",)}, {}, "model"),
        ({"efforts": ("none", "low")}, {"effort": "high"}, "reasoning_effort"),
        ({"strategies": ("self_consistency",)}, {}, "strategy"),
    ],
)
async def test_what_is_not_allowed_is_named(
    tenants: Tenants, limits: dict[str, Any], fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(Forbidden) as refused:
        await tenants.ask(tenants.key(**limits), **fields)
    assert refused.value.field == field
    assert (refused.value.status, refused.value.code) == (403, "permission_denied")


async def test_who_names_no_effort_gets_one_that_is_allowed(tenants: Tenants) -> None:
    answer = await tenants.ask(tenants.key(efforts=("none",)))
    assert (answer.usage.thinking, answer.budget.lowered_by) == (0, "allowance")


async def test_dollars_are_held_and_never_passed(tenants: Tenants) -> None:
    cap = Decimal("0.01")
    key = tenants.key(usd_per_month=cap)
    tenants.backend.delay_s = 0.001
    results = await asyncio.gather(
        *(tenants.ask(key, max_thinking_tokens=50) for _ in range(80)), return_exceptions=True
    )
    answered = [result for result in results if isinstance(result, Answer)]
    assert all(isinstance(result, Answer | CapReached | Overloaded) for result in results)
    while True:  # one after the other, until nothing is left
        try:
            answered.append(await tenants.ask(key, max_thinking_tokens=50))
        except CapReached as refused:
            assert refused.field == "usd_per_month"  # noqa: PT017 -- the loop ends by it
            break
    spent = sum((answer.cost_usd or Decimal(0) for answer in answered), Decimal(0))
    assert cap * Decimal("0.95") < spent <= cap
    assert used_by(tenants.store, None, key_id=key).cost_usd == spent


async def test_dollars_need_a_known_price(tmp_path: Path) -> None:
    tenants = Tenants(tmp_path, price=UNKNOWN)
    with pytest.raises(BadRequest, match="no price of 'm' is known"):
        await tenants.ask(tenants.key(usd_per_day=Decimal(1)))
    await tenants.aclose()


async def test_a_team_and_its_users_are_limited_together(tmp_path: Path) -> None:
    config = LimitsConfig(
        teams={"red": Allowance(requests_per_day=3)}, users={"*": Allowance(requests_per_day=2)}
    )
    tenants = Tenants(tmp_path, config)
    first, second, other = tenants.key("a", "red"), tenants.key("b", "red"), tenants.key("c")
    await tenants.ask(first, "ada")
    await tenants.ask(second, "ada")
    with pytest.raises(Overloaded, match="the user 'ada'"):
        await tenants.ask(first, "ada")
    await tenants.ask(first, "bob")
    with pytest.raises(Overloaded, match="the team 'red'"):
        await tenants.ask(second, "cyd")
    await tenants.ask(other, "ada")  # another's user of that name
    await tenants.aclose()


async def test_limits_are_changed_while_it_runs(tenants: Tenants) -> None:
    key = tenants.key(requests_per_day=1)
    await tenants.ask(key)
    change_key(tenants.store, "app", limits=Allowance(requests_per_day=2))
    await tenants.ask(key)
    with pytest.raises(Overloaded):
        await tenants.ask(key)
    change_key(tenants.store, "app", limits=None)
    await tenants.ask(key)
    set_allowance(tenants.store, "user", "ada", Allowance(requests_per_day=1))
    await tenants.ask(key, "ada")
    with pytest.raises(Overloaded):
        await tenants.ask(key, "ada")


async def test_what_the_ledger_has_counts_where_the_counters_are_lost(tenants: Tenants) -> None:
    key = tenants.key(requests_per_day=2, usd_total=Decimal(1))
    await tenants.ask(key, "ada")
    await tenants.limiter.aclose()
    shutil.rmtree(tenants.home / FOLDER)
    tenants.start()
    await tenants.ask(key, "ada")
    with pytest.raises(Overloaded):
        await tenants.ask(key, "ada")


async def test_a_limit_that_is_nearly_used_up_is_told_once(
    tenants: Tenants, caplog: pytest.LogCaptureFixture
) -> None:
    key = tenants.key(requests_per_day=10)
    for _ in range(10):
        await tenants.ask(key)
    told = [record.message for record in caplog.records if record.name == "perpend.limits"]
    assert told == ["the key app has used 8 of requests_per_day = 10"]
    assert b'perpend_limits_total{event="alerted",limit="requests_per_day",subject="key"} 1.0' in (
        tenants.metrics.scrape()
    )


@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), max_size=12))
async def test_tenants_never_share_what_they_use(
    steps: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tenants = Tenants(tmp_path_factory.mktemp("tenants"))
    ids = [tenants.key(name, requests_per_day=100, thinking_tokens_per_day=1000) for name in "abc"]
    thought = dict.fromkeys(ids, 0)
    asked = dict.fromkeys(ids, 0)
    for who, thinking in steps:
        answer = await tenants.ask(ids[who], max_thinking_tokens=thinking)
        thought[ids[who]] += answer.usage.thinking
        asked[ids[who]] += 1
    for key in ids:
        headers = dict(tenants.limiter.headers(key, None))
        assert headers[b"x-ratelimit-remaining-requests"] == b"%d" % (100 - asked[key])
        assert headers[b"x-ratelimit-remaining-thinking-tokens"] == b"%d" % (1000 - thought[key])
    await tenants.aclose()


async def test_embeddings_count_too(tenants: Tenants) -> None:
    key = tenants.key(usd_total=Decimal("0.00003"), models=("m",))

    async def made(asked: EmbeddingRequest) -> EmbeddingResult:
        return EmbeddingResult(([0.5],), Usage(input=5), "v1")

    async def embed_text(model: str, price: Price = PRICED) -> EmbeddingResult:
        gate, asked = tenants.limiter.gate(key, None), EmbeddingRequest(model=model, input="hi")
        places = [EmbeddingDeployment("test", price, made)]
        return await embed(asked, model, places, tenants.store.writer, Origin("embeddings", key), gate)

    assert (await embed_text("m")).cost_usd == Decimal("0.00001")
    with pytest.raises(Forbidden):
        await embed_text("another")
    with pytest.raises(BadRequest):
        await embed_text("m", UNKNOWN)
    await embed_text("m")
    with pytest.raises(CapReached):
        await embed_text("m")


class LimitedHouse(House):
    """Answers over HTTP through a tenant's limits."""

    def __init__(self, tenants: Tenants) -> None:
        super().__init__()
        self.tenants = tenants

    async def answer(self, request: Request, sink: Sink | None, gate: Gate | None, origin: Origin) -> Answer:
        return await self.tenants.solve(request, sink, gate, origin)


@pytest.mark.parametrize("stream", [False, True])
async def test_clients_read_what_is_left_and_when_to_come_back(tenants: Tenants, stream: bool) -> None:
    secret, _ = create_key(
        tenants.store,
        "app",
        limits=Allowance(requests_per_minute=2, input_tokens_per_minute=600, thinking_tokens_per_minute=6000),
    )
    async with gateway(LimitedHouse(tenants), tenants.keys, tenants.limiter) as front:
        body = {"messages": [{"role": "user", "content": "hi"}], "max_thinking_tokens": 30, "stream": stream}
        headers = {"authorization": f"Bearer {secret}"}
        first, _, third = [await front.post(body, headers=headers) for _ in range(3)]
    assert first.status == 200
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert first.headers["x-ratelimit-limit-tokens"] in ("600", "6000")
    assert third.status == 429
    assert third.error["code"] == "rate_limit_error"
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert third.headers["x-ratelimit-remaining-requests"] == "0"
