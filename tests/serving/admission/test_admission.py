"""Below capacity everything passes as it is; above it requests wait in turn and are given what there is time for."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from decimal import Decimal

import fake_clock
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spine import Spine, request
from words import WordBackend

from perpend.accounting.estimates import Speed
from perpend.accounting.ledger import Scope, Spend
from perpend.config.schema import AdmissionConfig
from perpend.errors import Overloaded
from perpend.serving.admission import Admission, AdmissionGate
from perpend.serving.admission.history import RequestKind, TokenHistory
from perpend.solve import Prepared, ServedModel, prepare
from perpend.types import SERVICE_CLASSES, ServiceClass, StrategySpec

THINKING, KNEE, ANSWER = 100, 40, 10
TOKENS_PER_S = 10.0
"""A request of 100 and 10 tokens takes 11 s, one of 40 and 10 takes 5 s, one without a thought 1 s."""


def steps(model: ServedModel, thinking: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys((thinking, min(thinking, KNEE), 0)))


def learned() -> TokenHistory:
    history = TokenHistory()
    for thinking in (THINKING, KNEE, 0):
        for _ in range(8):
            history.observe(RequestKind("m", thinking, "single"), thinking, ANSWER)
            history.observe(RequestKind("m", thinking, "self_consistency"), thinking, ANSWER)
    return history


DEFAULTS = AdmissionConfig()


class House:
    """A model with so many slots, and what happens in front of it."""

    def __init__(self, slots: int | None = 1, config: AdmissionConfig = DEFAULTS, **model: object) -> None:
        spine = Spine(WordBackend(thought=THINKING, reply=ANSWER), width=2)
        speed = Speed(first_token_s=0.0)
        speed.observe(tokens=1 + int(TOKENS_PER_S), decode_s=1.0)
        self.slots = slots
        spine.model = replace(spine.model, speed=speed, capacity=lambda: self.slots, **model)  # pyright: ignore[reportArgumentType]
        self.spine = spine
        cheap = replace(spine.model, name="cheap", cheaper=None, capacity=lambda: 1)
        self.admission = Admission(config, steps, lambda name: cheap, learned())
        self.order: list[str] = []
        self.admitted: dict[str, Prepared] = {}
        self.under_way: set[str] = set()
        self.most = 0
        """Under way at once."""
        self.refused: dict[str, Overloaded] = {}

    async def ask(
        self,
        name: str,
        tenant: str = "t",
        service_class: ServiceClass | None = None,
        *,
        deadline_ms: int | None = None,
        **fields: object,
    ) -> None:
        """Wait, take as long as what was admitted takes, and leave."""
        fields = {"max_thinking_tokens": THINKING, "service_class": service_class, **fields}
        prepared = await prepare(request(deadline_ms=deadline_ms, **fields), self.spine.services)
        gate = AdmissionGate(self.admission, tenant)
        try:
            admitted = await gate.admit(await gate.enter(prepared))
        except Overloaded as error:
            self.refused[name] = error
            return
        try:
            self.order.append(name)
            self.admitted[name] = admitted
            self.under_way.add(name)
            self.most = max(self.most, len(self.under_way))
            await asyncio.sleep((admitted.budget.thinking + ANSWER) / TOKENS_PER_S)
            assert self.admitted[name] is admitted, "what was admitted stays as it was"
        finally:
            self.under_way.discard(name)
            gate.leave(spent(admitted.budget.thinking))

    @property
    def thinking(self) -> dict[str, int]:
        return {name: prepared.budget.thinking for name, prepared in self.admitted.items()}


def spent(thinking: int) -> Scope:
    scope = Scope("request")
    with scope.reserve(Spend(thinking=thinking, answer=ANSWER)) as held:
        held.settle(Spend(thinking=thinking, answer=ANSWER, usd=Decimal(0)))
    return scope


def play(house: House, *asks: Awaitable[None]) -> House:
    """All at once, in this order."""

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for ask in asks:
                group.create_task(ask)  # pyright: ignore[reportArgumentType]
                await asyncio.sleep(0.001)

    fake_clock.run(main())
    assert not house.under_way
    return house


@pytest.mark.parametrize("slots", [None, 8])
def test_below_capacity_everything_passes_at_once_and_as_it_was(slots: int | None) -> None:
    house = House(slots)
    play(house, *(house.ask(f"r{n}", service_class="batch") for n in range(8)))
    assert house.most == 8
    assert set(house.thinking.values()) == {THINKING}
    assert all("load" not in one.plan.reason for one in house.admitted.values())


def test_who_waits_alone_is_given_all_of_it() -> None:
    house = House(1)
    play(house, house.ask("a"), house.ask("b"))
    assert (house.most, house.thinking) == (1, {"a": THINKING, "b": THINKING})


def test_those_that_wait_think_less_so_that_others_begin_when_they_are_due() -> None:
    house = House(1)
    play(house, *(house.ask(f"r{n}") for n in range(12)))
    assert house.most == 1
    assert house.thinking["r0"] == THINKING, "what was begun isn't cut for others"
    assert [house.thinking[f"r{n}"] for n in (1, 2, 3)] == [0, 0, 0]
    assert not house.refused
    told = house.admitted["r1"]
    assert (told.budget.requested_thinking, told.budget.lowered_by) == (THINKING, "load")
    assert told.plan.reason.endswith("thinking lowered from 100 to 0 tokens: load")


def test_the_knee_comes_before_none() -> None:
    house = House(4, AdmissionConfig(target_wait_s={"standard": 30.0}))
    play(house, *(house.ask(f"r{n}") for n in range(16)))
    assert [house.thinking[f"r{n}"] for n in (4, 5, 6)] == [KNEE, KNEE, KNEE]
    assert 0 not in house.thinking.values()


def test_batch_is_lowered_first_and_interactive_last() -> None:
    """All classes' requests that begin while the same ones wait behind them."""
    thinking: dict[ServiceClass, int] = {}
    for kind in SERVICE_CLASSES:
        house = House(1, AdmissionConfig(target_wait_s=dict.fromkeys(SERVICE_CLASSES, 60.0), max_wait_s=1000))
        behind = [house.ask(f"behind{n}", "other", kind, deadline_ms=70_000) for n in range(6)]
        play(house, house.ask("first"), house.ask("next", "t", kind, deadline_ms=50_000), *behind)
        thinking[kind] = house.thinking["next"]
    assert thinking == {"interactive": THINKING, "standard": KNEE, "batch": 0}


def test_tenants_wait_for_themselves_first() -> None:
    house = House(1)
    greedy = [house.ask(f"greedy{n}", "greedy") for n in range(20)]
    play(house, *greedy, house.ask("modest", "modest"))
    assert house.order.index("modest") <= 2


def test_inside_a_tenant_the_earliest_deadline_goes_first() -> None:
    house = House(1)
    play(
        house,
        house.ask("first"),
        house.ask("late", deadline_ms=29_000),
        house.ask("early", deadline_ms=13_500),
    )
    assert house.order == ["first", "early", "late"]
    assert house.thinking["early"] == 0, "with its thought it would come too late"


def test_a_deadline_that_cant_be_met_any_more_is_refused_at_once() -> None:
    house = House(1, AdmissionConfig(max_wait_s=1000))
    waits = [house.ask(f"r{n}", "other") for n in range(25)]
    play(house, *waits, house.ask("hopeless", "t", "batch", deadline_ms=900))
    assert list(house.refused) == ["hopeless"]
    assert "hopeless" not in house.order


def test_who_waits_is_refused_once_its_deadline_has_no_room_for_an_answer() -> None:
    house = House(1)
    began: dict[str, float] = {}

    async def hurried() -> None:
        began["at"] = asyncio.get_running_loop().time()
        await house.ask("hurried", deadline_ms=5_000)
        began["took"] = asyncio.get_running_loop().time() - began["at"]

    play(house, house.ask("long"), hurried())
    assert list(house.refused) == ["hurried"]
    assert began["took"] == pytest.approx(4.0, abs=0.01), "5 s, less the one that an answer takes"


def test_retry_after_is_when_the_queue_will_have_drained() -> None:
    config = AdmissionConfig(max_queue=3, max_wait_s=1000)
    house = House(1, config)
    ended: list[float] = []

    async def timed(name: str) -> None:
        await house.ask(name)
        ended.append(asyncio.get_running_loop().time())

    play(house, *(timed(f"r{n}") for n in range(4)), house.ask("refused"))
    again_s = house.refused["refused"].retry_after
    assert again_s == pytest.approx(11 + 3 * 1, abs=0.1), "who was begun thinks to its end, and three answer"
    assert again_s is not None
    assert max(ended) >= again_s - 0.1


def test_a_full_queue_refuses_and_zero_lets_nobody_wait() -> None:
    for most in (0, 2):
        house = House(1, AdmissionConfig(max_queue=most))
        play(house, *(house.ask(f"r{n}") for n in range(6)))
        assert len(house.refused) == 5 - most


def test_batch_leaves_a_full_queue_for_others_but_keeps_its_share_of_it() -> None:
    house = House(1, AdmissionConfig(max_queue=10, floors={"batch": 0.2, "interactive": 0.5}))
    asks = [house.ask("begun")]
    asks += [house.ask(f"batch{n}", "b", "batch") for n in range(10)]
    asks += [house.ask(f"now{n}", "a", "interactive") for n in range(20)]
    play(house, *asks)
    assert sum(name.startswith("batch") for name in house.order) == 2
    assert sum(name.startswith("now") for name in house.order) == 8
    assert {"batch9", "batch8"} <= set(house.refused), "the newest leave first"


def test_a_flood_of_one_tenant_leaves_room_for_others_of_its_class() -> None:
    house = House(1, AdmissionConfig(max_queue=4))
    flood = [house.ask(f"flood{n}", "flood") for n in range(9)]
    play(house, *flood, house.ask("modest", "modest"))
    assert "modest" in house.order


def test_without_lowering_requests_only_wait() -> None:
    house = House(1, AdmissionConfig(lower=False, max_wait_s=1000))
    play(house, *(house.ask(f"r{n}") for n in range(6)))
    assert set(house.thinking.values()) == {THINKING}


def test_strategies_are_narrowed_after_thinking_is() -> None:
    house = House(2)
    voting = StrategySpec("self_consistency", {"n": 8})
    play(house, *(house.ask(f"r{n}", strategy=voting) for n in range(10)))
    last = house.admitted["r3"]
    assert last.options["n"] < 8
    assert last.plan.narrowed == {"n": last.options["n"]}
    assert f"n lowered from 8 to {last.options['n']}: load" in last.plan.reason


def test_answers_that_are_all_wanted_are_all_given() -> None:
    house = House(2)
    choices = StrategySpec("samples", {"n": 4})
    play(house, *(house.ask(f"r{n}", strategy=choices) for n in range(10)))
    assert {one.options["n"] for one in house.admitted.values()} == {4}


def test_the_cheaper_model_answers_only_where_thinking_less_isnt_enough() -> None:
    house = House(1, cheaper="cheap")
    play(house, *(house.ask(f"r{n}") for n in range(20)))
    models = [one.model.name for one in house.admitted.values()]
    assert models.count("cheap") >= 1
    assert house.admitted["r1"].model.name == "m", "there was time for it"
    cheap = next(one for one in house.admitted.values() if one.model.name == "cheap")
    assert "cheap in place of m: load" in cheap.plan.reason


def test_who_goes_away_while_waiting_leaves_no_trace() -> None:
    house = House(1)

    async def main() -> None:
        first = asyncio.create_task(house.ask("first"))
        await asyncio.sleep(0.001)
        gone = [asyncio.create_task(house.ask(f"gone{n}")) for n in range(3)]
        last = asyncio.create_task(house.ask("last"))
        await asyncio.sleep(1)
        for task in gone:
            task.cancel()
        await asyncio.gather(first, last, *gone, return_exceptions=True)

    fake_clock.run(main())
    load = house.admission.loads["m"]
    assert (house.order, load.calls, len(load.queue)) == (["first", "last"], 0, 0)


def test_who_goes_away_as_its_turn_comes_gives_it_back() -> None:
    house = House(1)

    async def main() -> None:
        prepared = await prepare(request(max_thinking_tokens=THINKING), house.spine.services)
        first, second = (AdmissionGate(house.admission, "a") for _ in range(2))
        await first.admit(prepared)
        waiting = asyncio.create_task(second.admit(prepared))
        await asyncio.sleep(0.001)
        first.leave(spent(THINKING))  # its turn has come, and nobody has told it yet
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert house.admission.loads["m"].calls == 0

    fake_clock.run(main())


def test_a_model_nobody_has_measured_lowers_nobody_by_a_guess() -> None:
    house = House(1)
    house.spine.model = replace(house.spine.model, speed=Speed())
    house.admission.history = TokenHistory()
    play(house, house.ask("a"), house.ask("b", deadline_ms=12_000), house.ask("c", deadline_ms=29_000))
    assert set(house.thinking.values()) == {THINKING}


asks = st.lists(
    st.tuples(
        st.floats(0, 60),
        st.sampled_from("abc"),
        st.sampled_from(("interactive", "standard", "batch")),
        st.one_of(st.none(), st.integers(500, 60_000)),
    ),
    max_size=40,
)


@given(asks, st.integers(1, 3), st.integers(0, 12))
@settings(max_examples=60)
def test_whatever_comes_slots_are_kept_nobody_is_lost_and_no_room_stays_empty(
    arrivals: list[tuple[float, str, ServiceClass, int | None]], slots: int, most: int
) -> None:
    house = House(slots, AdmissionConfig(max_queue=most, max_wait_s=20))

    async def one(number: int) -> None:
        at, tenant, kind, deadline = arrivals[number]
        await asyncio.sleep(at)
        await house.ask(f"r{number}", tenant, kind, deadline_ms=deadline)

    async def watch() -> None:
        """Work conservation: whenever nobody is between two turns, who waits does so because all slots are taken."""
        for _ in range(200):
            await asyncio.sleep(0.5)
            if (load := house.admission.loads.get("m")) and load.queue:
                assert load.calls == slots
                assert len(load.queue) <= most

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            for number in range(len(arrivals)):
                group.create_task(one(number))

    fake_clock.run(main())
    assert house.most <= slots
    assert len(house.order) + len(house.refused) == len(arrivals)
    assert all((error.retry_after or 0) >= 1 for error in house.refused.values())
    assert all(0 <= tokens <= THINKING for tokens in house.thinking.values())
    if "m" in house.admission.loads:
        load = house.admission.loads["m"]
        assert (load.calls, len(load.queue), len(load.admitted)) == (0, 0, 0)


class Before:
    """A gate that is passed first."""

    def __init__(self) -> None:
        self.entered = 0
        self.left: list[Scope] = []

    async def enter(self, prepared: Prepared) -> Prepared:
        self.entered += 1
        return prepared

    async def admit(self, prepared: Prepared) -> Prepared:
        return prepared

    def leave(self, spent: Scope) -> None:
        self.left.append(spent)


def test_what_another_gate_held_is_given_back_however_a_request_ends() -> None:
    house = House(1, AdmissionConfig(max_queue=0))

    async def main() -> None:
        prepared = await prepare(request(max_thinking_tokens=THINKING), house.spine.services)
        answered, refused = Before(), Before()
        gate, other = (AdmissionGate(house.admission, "a", before) for before in (answered, refused))
        await gate.admit(await gate.enter(prepared))
        with pytest.raises(Overloaded):
            await other.admit(await other.enter(prepared))
        other.leave(Scope("request"))
        gate.leave(spent(THINKING))
        assert (answered.entered, refused.entered) == (1, 1)
        assert [scope.usage.thinking for scope in (*answered.left, *refused.left)] == [THINKING, 0]

    fake_clock.run(main())
