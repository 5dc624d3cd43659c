"""No interleaving of candidates, cancellations and failures overdraws a scope or leaks a reservation."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from perpend.accounting.ledger import NOTHING, Left, Reservation, Scope, Spend
from perpend.errors import CapReached

TOKENS = st.integers(0, 200)
DOLLARS = st.integers(0, 2_000_000).map(lambda micro: Decimal(micro).scaleb(-6))
AMOUNTS = st.builds(Spend, TOKENS, TOKENS, DOLLARS)
LIMITS = st.fixed_dictionaries(
    {
        "thinking": st.none() | st.integers(0, 400),
        "answer": st.none() | st.integers(0, 400),
        "output": st.none() | st.integers(0, 600),
        "usd": st.none() | st.integers(0, 4_000_000).map(lambda micro: Decimal(micro).scaleb(-6)),
    }
)
Limits = dict[str, int | Decimal | None]


def less_or_equal(amount: Spend, share: tuple[float, float, float]) -> Spend:
    """A part of `amount`, as an honest upstream uses it."""
    return Spend(
        int(amount.thinking * share[0]),
        int(amount.answer * share[1]),
        (amount.usd * Decimal(share[2])).quantize(Decimal("0.000001"), rounding="ROUND_DOWN"),
    )


def make(name: str, limits: Limits, parent: Scope | None = None) -> Scope:
    return Scope(name, parent=parent, **limits)  # pyright: ignore[reportArgumentType] - hypothesis drew each


class TestOneScope:
    def test_a_reservation_is_held_until_it_is_settled(self) -> None:
        scope = Scope("request", thinking=100)
        held = scope.reserve(Spend(thinking=60))
        assert scope.reserved == Spend(thinking=60)
        assert scope.left.thinking == 40
        held.settle(Spend(thinking=25))
        assert scope.reserved == NOTHING
        assert scope.spent == Spend(thinking=25)
        assert scope.left.thinking == 75

    def test_reservations_that_together_exceed_the_limit_are_refused_before_anything_is_spent(self) -> None:
        scope = Scope("request", thinking=100)
        scope.reserve(Spend(thinking=60))
        with pytest.raises(CapReached, match=r"request: 60 thinking tokens wanted, 40 left") as refused:
            scope.reserve(Spend(thinking=60))
        assert refused.value.field == "max_thinking_tokens"
        assert refused.value.hint
        assert scope.reserved == Spend(thinking=60)

    def test_output_bounds_thinking_and_answer_together(self) -> None:
        scope = Scope("request", thinking=100, answer=100, output=150)
        scope.reserve(Spend(thinking=100))
        assert scope.left == Left(thinking=0, answer=50, output=50, usd=None)
        with pytest.raises(CapReached, match="51 output tokens wanted, 50 left"):
            scope.reserve(Spend(answer=51))
        scope.reserve(Spend(answer=50))

    def test_a_dollar_cap_names_itself_and_what_is_left(self) -> None:
        scope = Scope("request", usd=Decimal("0.01"))
        scope.reserve(Spend(usd=Decimal("0.0075")))
        with pytest.raises(CapReached, match=r"\$0\.003 wanted, \$0\.0025 left") as refused:
            scope.reserve(Spend(usd=Decimal("0.003")))
        assert refused.value.field == "max_cost_usd"

    def test_without_limits_anything_fits(self) -> None:
        scope = Scope("request")
        scope.reserve(Spend(10**9, 10**9, Decimal(10**6)))
        assert scope.left == Left(None, None, None, None)

    def test_it_settles_exactly_once(self) -> None:
        held = Scope("request").reserve(Spend(thinking=1))
        held.settle(NOTHING)
        with pytest.raises(RuntimeError, match="settled twice"):
            held.settle(NOTHING)

    def test_releasing_spends_nothing(self) -> None:
        scope = Scope("request", thinking=10)
        scope.reserve(Spend(thinking=10)).release()
        assert (scope.spent, scope.reserved, scope.left.thinking) == (NOTHING, NOTHING, 10)

    @pytest.mark.parametrize("amount", [Spend(thinking=-1), Spend(answer=-1), Spend(usd=Decimal(-1))])
    def test_negative_amounts_are_bugs(self, amount: Spend) -> None:
        scope = Scope("request")
        with pytest.raises(ValueError, match="negative"):
            scope.reserve(amount)
        with pytest.raises(ValueError, match="negative"):
            scope.reserve(Spend(10, 10)).settle(amount)


class TestMoreThanWasReserved:
    """An upstream that generates or bills more than was agreed: the books stay true, and say so."""

    def test_it_is_booked_and_flagged_all_the_way_up(self) -> None:
        request = Scope("request", thinking=100)
        candidate = request.child("candidate 0")
        held = candidate.reserve(Spend(thinking=100, usd=Decimal("0.1")))
        held.settle(Spend(thinking=103, usd=Decimal("0.1")))
        assert held.excess == candidate.excess == request.excess == Spend(thinking=3)
        assert request.spent == Spend(thinking=103, usd=Decimal("0.1"))
        assert request.overdrawn
        assert not candidate.overdrawn
        assert request.left.thinking == 0

    def test_overdrawn_thinking_leaves_the_answer_its_own_room(self) -> None:
        scope = Scope("request", thinking=100, output=150)
        scope.reserve(Spend(thinking=100)).settle(Spend(thinking=103))
        scope.reserve(Spend(answer=47))
        with pytest.raises(CapReached):
            scope.reserve(Spend(thinking=1))


class TestLeavingEarly:
    def test_a_failure_settles_what_was_observed(self) -> None:
        scope = Scope("request", thinking=100)

        def call() -> None:
            with scope.reserve(Spend(thinking=100)) as held:
                held.observed = Spend(thinking=17)
                raise ConnectionError

        with pytest.raises(ConnectionError):
            call()
        assert scope.spent == Spend(thinking=17)
        assert scope.reserved == NOTHING

    def test_a_settled_reservation_is_left_alone(self) -> None:
        scope = Scope("request")
        with scope.reserve(Spend(thinking=100)) as held:
            held.observed = Spend(thinking=17)
            held.settle(Spend(thinking=20))
        assert scope.spent == Spend(thinking=20)

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(st.tuples(AMOUNTS, st.integers(0, 5), st.sampled_from(["ends", "fails", "hangs"]))), LIMITS
    )
    async def test_parallel_candidates_cancelled_at_any_point(
        self, calls: list[tuple[Spend, int, str]], limits: Limits
    ) -> None:
        request = make("request", limits)

        async def call(scope: Scope, want: Spend, steps: int, fate: str) -> None:
            with scope.reserve(want) as held:
                for step in range(steps):
                    held.observed = less_or_equal(want, (step / 5, step / 4, step / 5))
                    await asyncio.sleep(0)
                    assert not request.overdrawn
                if fate == "fails":
                    raise ConnectionError
                if fate == "hangs":
                    await asyncio.Event().wait()
                held.settle(want)

        candidates = [request.child(f"candidate {i}") for i in range(len(calls))]
        tasks = [
            asyncio.ensure_future(call(scope, *args)) for scope, args in zip(candidates, calls, strict=True)
        ]
        for _ in range(8):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert request.reserved == NOTHING
        assert not request.overdrawn
        assert request.excess == NOTHING
        assert request.spent == sum((scope.spent for scope in candidates), NOTHING)


class LedgerMachine(RuleBasedStateMachine):
    """Random trees of scopes; reservations made, streamed into, settled, cancelled, failed in any order."""

    scopes = Bundle[Scope]("scopes")
    held = Bundle[Reservation]("held")

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[Scope, Limits]] = []
        self.open: list[Reservation] = []
        self.direct: dict[int, Spend] = {}
        self.broken_word = False

    def _add(self, scope: Scope, limits: Limits) -> Scope:
        self.all.append((scope, limits))
        self.direct[id(scope)] = NOTHING
        return scope

    def _settled(self, held: Reservation, actual: Spend) -> None:
        self.open.remove(held)
        self.direct[id(held.scope)] += actual

    @initialize(target=scopes, limits=LIMITS)
    def root(self, limits: Limits) -> Scope:
        return self._add(make("request", limits), limits)

    @rule(target=scopes, parent=scopes, limits=LIMITS)
    def child(self, parent: Scope, limits: Limits) -> Scope:
        return self._add(make(f"scope {len(self.all)}", limits, parent), limits)

    @rule(target=held, scope=scopes, want=AMOUNTS)
    def reserve(self, scope: Scope, want: Spend) -> Reservation | MultipleResults[Reservation]:
        before = [(s.spent, s.reserved) for s, _ in self.all]
        left = scope.left
        fits = (
            (not want.thinking or left.thinking is None or want.thinking <= left.thinking)
            and (not want.answer or left.answer is None or want.answer <= left.answer)
            and (not want.output or left.output is None or want.output <= left.output)
            and (not want.usd or left.usd is None or want.usd <= left.usd)
        )
        try:
            reservation = scope.reserve(want)
        except CapReached:
            assert not fits
            assert before == [(s.spent, s.reserved) for s, _ in self.all]
            return MultipleResults(())
        assert fits
        self.open.append(reservation)
        return reservation

    @rule(reservation=held, share=st.tuples(*[st.floats(0, 1)] * 3))
    def stream(self, reservation: Reservation, share: tuple[float, float, float]) -> None:
        reservation.observed = less_or_equal(reservation.amount, share)

    @rule(reservation=consumes(held), share=st.tuples(*[st.floats(0, 1)] * 3))
    def settle(self, reservation: Reservation, share: tuple[float, float, float]) -> None:
        actual = less_or_equal(reservation.amount, share)
        reservation.settle(actual)
        self._settled(reservation, actual)

    @rule(reservation=consumes(held), extra=AMOUNTS)
    def settle_above(self, reservation: Reservation, extra: Spend) -> None:
        actual = reservation.amount + extra
        reservation.settle(actual)
        assert reservation.excess == extra
        self.broken_word |= extra != NOTHING
        self._settled(reservation, actual)

    @rule(reservation=consumes(held), error=st.sampled_from([ConnectionError, asyncio.CancelledError, None]))
    def leave(self, reservation: Reservation, error: type[BaseException] | None) -> None:
        try:
            with reservation:
                if error is not None:
                    raise error
        except (ConnectionError, asyncio.CancelledError):
            pass
        self._settled(reservation, reservation.observed)

    @rule(reservation=consumes(held))
    def release(self, reservation: Reservation) -> None:
        reservation.release()
        self._settled(reservation, NOTHING)

    def _below(self, top: Scope) -> list[Scope]:
        def inside(scope: Scope | None) -> bool:
            return scope is not None and (scope is top or inside(scope.parent))

        return [scope for scope, _ in self.all if inside(scope)]

    @invariant()
    def sums_agree(self) -> None:
        for scope, _ in self.all:
            below = self._below(scope)
            assert scope.spent == sum((self.direct[id(s)] for s in below), NOTHING)
            ours = [r.amount for r in self.open if r.scope in below]
            assert scope.reserved == sum(ours, NOTHING)
            children = [s for s, _ in self.all if s.parent is scope]
            assert scope.spent == sum((s.spent for s in children), self.direct[id(scope)])

    @invariant()
    def never_overdrawn(self) -> None:
        for scope, limits in self.all:
            gone, excess = scope.spent + scope.reserved, scope.excess
            assert self.broken_word or excess == NOTHING
            used = {"thinking": gone.thinking, "answer": gone.answer, "output": gone.output, "usd": gone.usd}
            over = {
                "thinking": excess.thinking,
                "answer": excess.answer,
                "output": excess.output,
                "usd": excess.usd,
            }
            for resource, limit in limits.items():
                assert limit is None or used[resource] <= limit + over[resource]
            assert scope.overdrawn <= (excess != NOTHING)
            assert scope.spent.thinking <= scope.spent.output

    def teardown(self) -> None:
        for reservation in list(self.open):
            with reservation:
                pass
        for scope, _ in self.all:
            assert scope.reserved == NOTHING


TestAnyTreeAnyInterleaving = LedgerMachine.TestCase
TestAnyTreeAnyInterleaving.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
