"""An answer is given again where it may be, costs nothing then, and ledger and answer say what it is."""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import fake_clock
import pytest
from cached_spine import CachedSpine
from msgspec.structs import replace
from spine import request
from words import WordBackend

from perpend.accounting.ledger import Scope
from perpend.backends.contract import Call, CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.config.schema import CacheConfig, Config
from perpend.errors import UpstreamError
from perpend.serving.cache.response_cache import response_cache
from perpend.solve import Prepared, lowered
from perpend.types import (
    Answer,
    AnswerDelta,
    CallEnded,
    Event,
    OutputSpec,
    Sampling,
    StrategySpec,
    Tool,
    ToolCallDelta,
    Usage,
    VerifierSpec,
)

ASKED = request(cache=True, max_thinking_tokens=40)


def words(**options: Any) -> CachedSpine:
    return CachedSpine(WordBackend(thought=5, reply=3), **options)


def calls(spine: CachedSpine) -> int:
    """Answers that the model was asked for."""
    backend: Any = spine.model.backend
    return sum(call.phase != "thinking" for call in backend.calls)


class TestAHit:
    async def test_is_the_first_answer_under_an_id_of_its_own(self) -> None:
        spine = words()
        first, second = await spine.ask_as("a", ASKED), await spine.ask_as("a", ASKED)
        assert calls(spine) == 1
        assert first.request_id != second.request_id
        assert (second.text, second.thinking, second.content) == (first.text, first.thinking, first.content)
        assert (second.plan, second.candidates, second.model_version) == (
            first.plan,
            first.candidates,
            first.model_version,
        )

    async def test_used_nothing_and_says_what_it_saved(self) -> None:
        spine = words()
        first, second = await spine.ask_as("a", ASKED), await spine.ask_as("a", ASKED)
        assert first.usage.thinking == first.budget.thinking_tokens_used == 5
        assert first.cache is not None
        assert not first.cache.hit
        assert (second.usage, second.cost_usd, second.budget.thinking_tokens_used) == (Usage(), 0, 0)
        assert second.cache is not None
        assert (second.cache.hit, second.cache.saved, second.cache.saved_usd) == (
            True,
            first.usage,
            Decimal(0),
        )
        assert second.cache.age_s is not None
        assert second.cache.age_s >= 0

    async def test_has_a_row_of_its_own_in_the_ledger(self) -> None:
        spine = words()
        for _ in range(2):
            await spine.ask_as("a", ASKED)
        made, again = spine.recorder.rows
        assert (made.cache_hit, made.saved_tokens) == (False, 0)
        assert (again.cache_hit, again.saved_tokens) == (True, made.input + made.thinking + made.answer)
        assert (again.input, again.thinking, again.answer, again.cost_usd) == (0, 0, 0, Decimal(0))
        assert (again.key_id, again.status, again.model_version) == ("a", "finished", made.model_version)

    async def test_is_about_the_request_that_asks(self) -> None:
        """Why its plan is as it is, and what was passed over of it, are its own."""
        spine = words()
        await spine.ask_as("a", replace(ASKED, ignored=("metadata.first",)))
        again = await spine.ask_as("a", replace(ASKED, model="m", ignored=("metadata.second",)))
        assert again.ignored == ("metadata.second",)
        assert again.plan.reason.startswith("model as asked")
        assert again.cache is not None
        assert again.cache.hit

    async def test_is_streamed_in_a_few_pieces(self) -> None:
        spine, heard = words(), list[Event]()

        async def sink(batch: list[Event]) -> None:
            heard.extend(batch)

        await spine.ask_as("a", ASKED)
        answer = await spine.ask_as("a", ASKED, sink)
        kinds = [type(event).__name__ for event in heard]
        assert kinds == ["Started", "ThinkingDelta", "AnswerDelta", "Finished"]
        assert "".join(event.text for event in heard if isinstance(event, AnswerDelta)) == answer.text

    async def test_is_in_the_ledger_before_its_client_hears_of_it(self) -> None:
        spine = words()

        async def gone(batch: list[Event]) -> None:
            raise asyncio.CancelledError

        await spine.ask_as("a", ASKED)
        with pytest.raises(asyncio.CancelledError):
            await spine.ask_as("a", ASKED, gone)
        assert [row.cache_hit for row in spine.recorder.rows] == [False, True]

    async def test_is_over_after_its_time(self) -> None:
        spine = words(ttl_s=10)
        await spine.ask_as("a", ASKED)
        spine.now = 10.0
        assert not hit(await spine.ask_as("a", ASKED))


def hit(answer: Answer) -> bool:
    return answer.cache is not None and answer.cache.hit


class TestWhoIsLookedUp:
    @pytest.mark.parametrize(
        ("fields", "asked", "always"),
        [
            ({"cache": True}, True, True),
            ({"cache": None}, False, True),
            ({"cache": False}, False, False),
            ({"cache": None, "sampling": Sampling(temperature=0.7)}, False, False),
            ({"cache": None, "sampling": Sampling(temperature=0.7, seed=1)}, False, True),
            ({"cache": None, "sampling": Sampling(temperature=0.0)}, False, True),
            ({"cache": True, "sampling": Sampling(temperature=0.7)}, True, True),
            ({"cache": None, "strategy": StrategySpec("samples", {"n": 2})}, False, False),
            ({"cache": True, "strategy": StrategySpec("samples", {"n": 2})}, True, True),
        ],
    )
    async def test_as_it_asks_and_else_as_the_config_says(
        self, fields: dict[str, Any], asked: bool, always: bool
    ) -> None:
        for spine, looked_up in ((words(use="asked"), asked), (words(use="always"), always)):
            first = await spine.ask_as("a", replace(ASKED, **fields))
            again = await spine.ask_as("a", replace(ASKED, **fields))
            assert hit(again) == looked_up
            assert (first.cache is not None) == looked_up

    def test_nobody_where_there_is_none(self) -> None:
        assert response_cache(Config(cache=CacheConfig(use="never"))) is None
        assert response_cache(Config()) is not None

    @pytest.mark.parametrize("cache", [True, None])
    async def test_an_engines_own_prompt_cache_is_used_all_the_same(self, cache: bool | None) -> None:
        spine = words()
        await spine.ask_as("a", replace(ASKED, cache=cache))
        await spine.ask_as("a", replace(ASKED, cache=False))
        backend: Any = spine.model.backend
        assert [call.cache for call in backend.calls] == [True, True, False, False]


def replayed(*answers: list[CallEvent]) -> ReplayBackend:
    return ReplayBackend([[batch] for batch in answers])


CALLED: list[CallEvent] = [
    ToolCallDelta(0, "call_1", "add", "{}"),
    CallEnded("tool_calls", Usage(9, 0, 0, 3)),
]
SAID: list[CallEvent] = [AnswerDelta("4"), CallEnded("stop", Usage(9, 0, 0, 1))]


class TestWhatIsntKept:
    @pytest.mark.parametrize(
        "ending",
        [CALLED, [AnswerDelta("4"), CallEnded("length")], [AnswerDelta("4"), CallEnded("content_filter")]],
    )
    async def test_calls_of_tools_and_answers_that_were_cut(self, ending: list[CallEvent]) -> None:
        spine = CachedSpine(replayed(ending, SAID, SAID), family="generic")
        asked = replace(ASKED, effort="none", output_spec=OutputSpec(tools=(Tool(name="add"),)))
        answers = [await spine.ask_as("a", asked) for _ in range(3)]
        assert [hit(answer) for answer in answers] == [False, False, True]

    async def test_what_a_client_cut_by_its_limits(self) -> None:
        spine = CachedSpine(WordBackend(thought=5, reply=50))
        asked = request(cache=True, max_output_tokens=20)
        assert (await spine.ask_as("a", asked)).truncated
        assert not hit(await spine.ask_as("a", asked))

    async def test_errors(self) -> None:
        backend = Failing([True, False])
        spine = CachedSpine(backend)
        with pytest.raises(UpstreamError):
            await spine.ask_as("a", ASKED)
        assert not hit(await spine.ask_as("a", ASKED))
        assert hit(await spine.ask_as("a", ASKED))

    async def test_what_a_model_wrote_that_stood_in(self) -> None:
        other = WordBackend(thought=5, reply=4)
        spine = CachedSpine(Failing([True, False]), others={"other": other})
        spine.model = altered(spine, fallbacks=("other",))
        assert (await spine.ask_as("a", ASKED)).model == "other"
        assert (await spine.ask_as("a", ASKED)).model == "m"
        assert hit(await spine.ask_as("a", ASKED))

    async def test_what_no_verifier_could_check(self) -> None:
        spine = words()
        for gold, kept in (("w0 w1 w2", True), ("w0", True)):  # right or wrong, it was checked
            asked = replace(ASKED, verifier=VerifierSpec("exact", gold))
            first, second = await spine.ask_as("a", asked), await spine.ask_as("a", asked)
            assert hit(second) == kept
            assert first.verdict == second.verdict is not None


def altered(spine: CachedSpine, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(spine.model, **changes)


class Failing(WordBackend):
    """Each call that begins an answer fails or not, as it is told."""

    def __init__(self, fails: list[bool], *, reply: int = 3) -> None:
        super().__init__(thought=5, reply=reply)
        self.fails = fails

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        if call.phase == "thinking" and self.fails.pop(0):
            raise UpstreamError("it is down")
        async for batch in super().stream(call):
            yield batch


class LoweringGate:
    def __init__(self, thinking: int) -> None:
        self.thinking = thinking
        self.entered = self.admitted = 0

    async def enter(self, prepared: Prepared) -> Prepared:
        self.entered += 1
        return prepared

    async def admit(self, prepared: Prepared) -> Prepared:
        self.admitted += 1
        return lowered(prepared, "load", thinking=self.thinking)

    def leave(self, spent: Scope) -> None: ...


class TestBehindAGate:
    async def test_what_was_lowered_isnt_kept(self) -> None:
        spine = words()
        first = await spine.ask_as("a", ASKED, gate=LoweringGate(2))
        assert first.budget.lowered_by == "load"
        again = await spine.ask_as("a", ASKED, gate=LoweringGate(99))
        assert (hit(again), again.usage.thinking) == (False, 5)
        assert hit(await spine.ask_as("a", ASKED))

    async def test_what_is_kept_is_let_in_and_need_not_be_admitted(self) -> None:
        spine, gate = words(), LoweringGate(99)
        for _ in range(3):
            await spine.ask_as("a", ASKED, gate=gate)
        assert (gate.entered, gate.admitted) == (3, 1)


class TestSingleFlight:
    async def test_who_ask_the_same_at_once_are_answered_by_one(self) -> None:
        spine = words()
        answers = await asyncio.gather(*(spine.ask_as("a", ASKED) for _ in range(20)))
        assert calls(spine) == 1
        assert sorted(map(hit, answers)) == [False] + [True] * 19
        assert len({answer.text for answer in answers}) == 1
        assert len({answer.request_id for answer in answers}) == len(spine.recorder.rows) == 20
        assert spine.cache.counts.waited == 19

    async def test_tenants_dont_wait_for_each_other(self) -> None:
        spine = words()
        await asyncio.gather(*(spine.ask_as(key, ASKED) for key in ("a", "b", None)))
        assert calls(spine) == 3

    async def test_where_its_client_leaves_the_next_one_takes_over(self) -> None:
        spine = CachedSpine(WordBackend(thought=5, reply=3, delay_s=0.001))
        tasks = [asyncio.create_task(spine.ask_as("a", ASKED)) for _ in range(4)]
        backend: Any = spine.model.backend
        for number in range(3):
            while len(backend.calls) <= number:  # noqa: ASYNC110 -- a call has no event to wait on
                await asyncio.sleep(0)
            assert backend.streaming == 1
            tasks[number].cancel()
            await asyncio.wait([tasks[number]])
        assert not hit(await tasks[3])
        assert [row.status for row in spine.recorder.rows] == ["cancelled"] * 3 + ["finished"]
        assert not len(spine.cache.flights)

    async def test_where_it_fails_the_next_one_takes_over(self) -> None:
        backend = Failing([True, False])
        spine = CachedSpine(backend)
        answers = await asyncio.gather(*(spine.ask_as("a", ASKED) for _ in range(5)), return_exceptions=True)
        assert isinstance(answers[0], UpstreamError)
        assert [hit(answer) for answer in answers[1:] if isinstance(answer, Answer)] == [
            False,
            True,
            True,
            True,
        ]

    async def test_where_it_fails_twice_the_others_try_by_themselves(self) -> None:
        backend = Failing([True] * 5)
        spine = CachedSpine(backend)
        answers = await asyncio.gather(*(spine.ask_as("a", ASKED) for _ in range(5)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [UpstreamError] * 5
        assert not backend.fails

    async def test_where_the_answer_isnt_kept_each_makes_its_own(self) -> None:
        spine = CachedSpine(WordBackend(thought=5, reply=50))
        asked = request(cache=True, max_output_tokens=20)
        answers = await asyncio.gather(*(spine.ask_as("a", asked) for _ in range(4)))
        assert calls(spine) == 4
        assert not any(map(hit, answers))

    def test_who_has_a_deadline_waits_for_half_of_it(self) -> None:
        """Then it makes its own answer, in the time that is left."""

        async def main() -> None:
            spine = CachedSpine(WordBackend(thought=50, reply=3, delay_s=1))
            first = asyncio.create_task(spine.ask_as("a", replace(ASKED)))
            await asyncio.sleep(0)
            hurried = replace(ASKED, limits=replace(ASKED.limits, deadline_ms=20_000))
            own = await spine.ask_as("a", hurried)
            assert asyncio.get_running_loop().time() <= 20
            assert (own.stop_reason, hit(own)) == ("deadline", False)
            assert not first.done()
            assert hit(await spine.ask_as("a", ASKED))
            assert not hit(await first)

        fake_clock.run(main())
