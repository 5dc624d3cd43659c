"""Several places for one model: who is asked, who stands in, what is tried again, and never what may be paid twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from perpend.backends.contract import Call, CallEvent
from perpend.backends.replay import Recording, ReplayBackend
from perpend.deployments.pool import Deployment, Deployments
from perpend.errors import (
    AccountRefused,
    BadRequest,
    ClientMessage,
    ConfigError,
    ContextTooLong,
    RateLimited,
    Rejected,
    UpstreamError,
    UpstreamMalformed,
    UpstreamOverloaded,
)
from perpend.families.family import family_named
from perpend.types import AnswerDelta, CallEnded, Message, OutputSpec, Served, Tool

ANSWER: Recording = [[AnswerDelta("four")], [CallEnded("stop")]]


def refused(kind: type[UpstreamError] = UpstreamError, retry_after: float | None = None) -> Recording:
    return [kind("no", retry_after=retry_after, billed=False)]


def call(*messages: str) -> Call:
    said = tuple(Message("user", text) for text in messages or ("What is two and two?",))
    return Call(model="m", family=family_named("generic"), messages=said, max_tokens=10)


class Fleet:
    """Deployments of scripted backends; `waits` are the seconds that would have been slept."""

    def __init__(self, *scripts: list[Recording], weights: tuple[float, ...] = (), retries: int = 2) -> None:
        self.backends = [ReplayBackend(script) for script in scripts]
        self.waits: list[float] = []
        self.all = Deployments(
            [
                Deployment(f"p{n}", backend, model=f"m{n}", weight=weight, retries=retries)
                for n, (backend, weight) in enumerate(
                    zip(self.backends, weights or [1.0] * len(scripts), strict=True)
                )
            ],
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def ask(self, asked: Call | None = None) -> list[CallEvent]:
        async with aclosing(self.all.stream(asked or call())) as batches:
            return [event async for batch in batches for event in batch]

    @property
    def asked(self) -> list[int]:
        return [len(backend.calls) for backend in self.backends]


async def test_who_serves_it_is_told_first() -> None:
    fleet = Fleet([ANSWER])
    assert await fleet.ask() == [Served("p0"), AnswerDelta("four"), CallEnded("stop")]
    assert fleet.backends[0].calls[0].model == "m0"


async def test_a_refusal_that_cost_nothing_is_tried_again_after_a_while() -> None:
    fleet = Fleet([refused(), refused(UpstreamOverloaded, retry_after=3), ANSWER])
    assert (await fleet.ask())[1] == AnswerDelta("four")
    first, second = fleet.waits
    assert 0 <= first <= 0.25
    assert 3 <= second <= 3.5
    assert fleet.all.deployments[0].retried == 2
    assert fleet.all.deployments[0].failures == {"upstream_error": 1, "upstream_overloaded": 1}


async def test_retries_end_and_the_error_says_what_was_tried() -> None:
    fleet = Fleet([refused()] * 5)
    with pytest.raises(UpstreamError, match="tried 3 times; p0/m0: no"):
        await fleet.ask()
    assert fleet.asked == [3]


@pytest.mark.parametrize(
    "script",
    [
        [UpstreamError("silence")],  # it may have been thinking, and that is paid for
        [[AnswerDelta("fo")], UpstreamError("reset", billed=False)],
        [ContextTooLong("too long", billed=False)],
        [AccountRefused("wrong key", billed=False)],
        [RateLimited("come back tomorrow", retry_after=80_000, billed=False)],
    ],
    ids=["maybe paid", "streamed", "the request's fault", "the key's fault", "too long a wait"],
)
async def test_nothing_else_is_tried_again(script: Recording) -> None:
    fleet = Fleet([script, ANSWER])
    with pytest.raises(UpstreamError):
        await fleet.ask()
    assert (fleet.asked, fleet.waits) == ([1], [])


async def test_what_was_streamed_before_a_reset_counts_as_paid() -> None:
    fleet = Fleet([[[AnswerDelta("fo")], UpstreamError("reset", billed=False)]])
    with pytest.raises(UpstreamError) as caught:
        await fleet.ask()
    assert caught.value.billed


@pytest.mark.parametrize("kind", [UpstreamError, AccountRefused, RateLimited, UpstreamOverloaded])
async def test_another_place_stands_in_without_waiting(kind: type[UpstreamError]) -> None:
    fleet = Fleet([ANSWER, refused(kind)], [ANSWER, refused(kind)])
    first, second = await fleet.ask(), await fleet.ask()
    assert first[0] != second[0]
    assert first[1:] == second[1:]
    assert (sorted(fleet.asked), fleet.waits) == ([1, 2], [])


async def test_a_place_that_rests_is_asked_last() -> None:
    fleet = Fleet([ANSWER, refused(RateLimited, 5)], [ANSWER] * 9, weights=(1e9, 1.0))
    for _ in range(6):
        await fleet.ask()
    assert fleet.asked == [2, 5]


async def test_a_growing_conversation_stays_where_it_began() -> None:
    fleet = Fleet([ANSWER] * 20, [ANSWER] * 20, [ANSWER] * 20)
    turns = ["Hello"]
    for turn in range(10):
        await fleet.ask(call(*turns))
        turns += [f"answer {turn}", f"question {turn}"]
    assert sorted(fleet.asked) == [0, 0, 10]


async def test_conversations_are_spread_by_weight() -> None:
    fleet = Fleet([ANSWER] * 900, [ANSWER] * 900, weights=(3.0, 1.0))
    for number in range(800):
        await fleet.ask(call(f"question {number}"))
    assert 540 <= fleet.asked[0] <= 660


async def test_taking_a_place_away_moves_only_its_own_conversations() -> None:
    fleet = Fleet(*[[ANSWER] * 400] * 3)
    served: dict[int, str] = {}
    for number in range(200):
        first = (await fleet.ask(call(f"q{number}")))[0]
        assert isinstance(first, Served)
        served[number] = first.provider
    fewer = Deployments(fleet.all.deployments[:2])
    moved = Counter[str]()
    for number, before in served.items():
        async with aclosing(fewer.stream(call(f"q{number}"))) as batches:
            first = (await anext(batches))[0]
        assert isinstance(first, Served)
        moved[before] += first.provider != before
    assert (moved["p0"], moved["p1"]) == (0, 0)


async def test_a_place_that_keeps_failing_is_left_alone() -> None:
    fleet = Fleet([refused()] * 20, retries=0)
    for _ in range(5):
        with pytest.raises(UpstreamError):
            await fleet.ask()
    with pytest.raises(UpstreamOverloaded, match="left alone for a moment") as caught:
        await fleet.ask()
    assert fleet.asked == [5]
    assert caught.value.retry_after is not None
    assert fleet.all.deployments[0].breaker.state == "open"


@pytest.mark.parametrize("damaged", [b'{"t": "\xff"}', b"{damaged"])
async def test_whatever_a_wire_stumbles_over_is_malformed(damaged: bytes) -> None:
    import msgspec

    class Wire(ReplayBackend):
        async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
            yield [AnswerDelta("so far")]
            msgspec.json.decode(damaged)

    deployments = Deployments([Deployment("p", Wire([]), model="m")])
    got: list[CallEvent] = []
    with pytest.raises(UpstreamMalformed, match="can't be read"):  # noqa: PT012 -- the loop is what raises
        async with aclosing(deployments.stream(call())) as batches:
            async for batch in batches:
                got += batch
    assert got == [Served("p"), AnswerDelta("so far")]


async def test_leaving_early_closes_the_wire_and_counts_as_no_failure() -> None:
    closed = asyncio.Event()

    class Endless(ReplayBackend):
        async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
            try:
                while True:
                    yield [AnswerDelta("on and on ")]
                    await asyncio.sleep(0)
            finally:
                closed.set()

    deployments = Deployments([Deployment("p", Endless([]), model="m")])
    async with aclosing(deployments.stream(call())) as batches:
        async for _ in batches:
            break
    assert closed.is_set()
    assert (deployments.deployments[0].in_flight, deployments.deployments[0].failures) == (0, {})


def test_wires_that_continue_and_wires_that_do_not_are_not_one_model() -> None:
    kinds = [ReplayBackend([], supports_prefix=True), ReplayBackend([])]
    with pytest.raises(ConfigError, match="one kind of wire") as refused_:
        Deployments([Deployment(f"p{n}", backend, model="m") for n, backend in enumerate(kinds)])
    assert refused_.value.field == "deployments"


async def test_a_place_that_cannot_count_is_no_failure_yet() -> None:
    class Uncountable(ReplayBackend):
        def left_out(self, call: Call) -> tuple[str, ...]:
            return ()

        async def count_input(self, call: Call) -> int | None:
            raise UpstreamError("gone")

    assert await Deployments([Deployment("p", Uncountable([]), model="m")]).count_input(call()) is None


def refuses(*asks: str) -> Recording:
    error = Rejected("not supported", billed=False)
    error.refuses = frozenset(asks)
    return [error]


async def test_what_a_place_refuses_is_left_out_at_once_and_from_then_on() -> None:
    fleet = Fleet([refuses("reasoning_effort"), refuses("reasoning_format"), ANSWER, ANSWER])
    assert (await fleet.ask())[1] == AnswerDelta("four")
    await fleet.ask()
    assert [sorted(asked.refused) for asked in fleet.backends[0].calls] == [
        [],
        ["reasoning_effort"],
        ["reasoning_effort", "reasoning_format"],
        ["reasoning_effort", "reasoning_format"],
    ]
    assert fleet.waits == []


async def test_what_another_place_refuses_is_sent_here() -> None:
    fleet = Fleet(
        [refuses("think"), ANSWER, refused(), ANSWER], [ANSWER, ANSWER], weights=(1e9, 1.0), retries=0
    )
    await fleet.ask()
    await fleet.ask()
    assert not fleet.backends[1].calls[0].refused


async def test_nothing_is_learned_of_a_call_that_fails_without_it_too() -> None:
    fleet = Fleet([refuses("think"), [Rejected("no such thing", billed=False)], ANSWER])
    with pytest.raises(Rejected, match="not supported; p0/m0: no such thing"):
        await fleet.ask()
    assert not fleet.all.deployments[0].learned.refused
    await fleet.ask()
    assert not fleet.backends[0].calls[-1].refused


async def test_a_refusal_of_what_was_not_sent_is_the_end() -> None:
    fleet = Fleet([refuses("think"), refuses("think"), ANSWER])
    with pytest.raises(Rejected):
        await fleet.ask()
    assert fleet.asked == [2]


async def test_tools_that_a_model_rejects_are_refused_and_not_sent() -> None:
    fleet = Fleet([ANSWER])
    output_spec = OutputSpec(tools=(Tool(name="look"),))
    asked = replace(call(), family=family_named("o1-preview"), output_spec=output_spec)
    with pytest.raises(BadRequest, match="takes no tools") as caught:
        await fleet.ask(asked)
    assert caught.value.field == "tools"
    await fleet.ask(replace(asked, output_spec=replace(output_spec, tool_choice="none")))
    assert not fleet.backends[0].calls[0].output_spec.tools


async def test_what_a_model_writes_at_most_is_learned_and_kept_to() -> None:
    too_many = Rejected("no", billed=False)
    too_many.upstream_message = "Invalid max_tokens value, the valid range of max_tokens is [1, 4096]"
    fleet = Fleet([[too_many], ANSWER, ANSWER])
    asked = replace(call(), max_tokens=8192, thinking_tokens=6000)
    await fleet.ask(asked)
    await fleet.ask(replace(asked, max_tokens=1000, thinking_tokens=900))
    limits = [(one.max_tokens, one.thinking_tokens) for one in fleet.backends[0].calls]
    assert limits == [(8192, 6000), (4096, 2048), (1000, 900)]
    assert fleet.all.max_output == 4096
    assert fleet.all.left_out(asked) == ("max_tokens>4096",)
    assert fleet.all.left_out(call()) == ()


async def test_less_is_asked_for_where_the_window_has_no_room_and_only_this_once() -> None:
    full = ContextTooLong("no", billed=False)
    full.upstream_message = (
        "the context length is only 9000, with 2000 input tokens and 8192 output tokens requested"
    )
    fleet = Fleet([[full], ANSWER, ANSWER])
    asked = replace(call(), max_tokens=8192, thinking_tokens=6000)
    await fleet.ask(asked)
    await fleet.ask(asked)
    limits = [(one.max_tokens, one.thinking_tokens) for one in fleet.backends[0].calls]
    assert limits == [(8192, 6000), (6999, 3499), (8192, 6000)]
    assert fleet.all.max_output is None


async def test_a_place_that_refuses_whatever_is_sent_is_given_up() -> None:
    def refuses_less(most: int) -> Recording:
        error = Rejected(f"max_tokens must be at most {most}", billed=False)
        return [error]

    fleet = Fleet([refuses_less(most) for most in range(8191, 8000, -1)])
    with pytest.raises(Rejected):
        await fleet.ask(replace(call(), max_tokens=8192))
    assert fleet.asked == [8]


async def test_a_call_that_began_before_a_lesson_takes_nothing_back() -> None:
    fleet = Fleet([[0.05, *ANSWER], refuses("think"), ANSWER])
    slow = asyncio.create_task(fleet.ask())
    await asyncio.sleep(0)
    await fleet.ask()
    await slow
    assert not fleet.backends[0].calls[0].refused
    assert fleet.all.deployments[0].learned.refused == {"think"}


@pytest.mark.parametrize("said", ["wrong key", "no credit", "no such model"])
async def test_a_refused_account_is_told_each_time_and_no_breakers_business(
    said: str, caplog: pytest.LogCaptureFixture
) -> None:
    refusal: Recording = [
        AccountRefused(f"{said} at http://inside", billed=False, redacted=ClientMessage("m0 refuses it"))
    ]
    fleet = Fleet([refusal] * 12 + [ANSWER])
    assert fleet.all.problem is None
    for _ in range(12):
        with pytest.raises(AccountRefused, match=said):
            await fleet.ask()
        assert fleet.all.problem == "m0 refuses it"
    assert fleet.all.deployments[0].breaker.state == "closed"
    assert caplog.text.count(said) == 1
    await fleet.ask()
    assert fleet.all.problem is None


async def test_a_refused_key_of_a_pool_is_asked_last_and_takes_nobody_down() -> None:
    refusal: Recording = [AccountRefused("wrong key", billed=False)]
    fleet = Fleet([refusal] * 9, [ANSWER] * 9, weights=(1e9, 1.0))
    for _ in range(9):
        await fleet.ask()
    assert fleet.asked == [1, 9]
    assert fleet.all.problem is None


async def test_where_a_refused_place_is_the_only_one_left_its_cause_is_told() -> None:
    refusal: Recording = [AccountRefused("wrong key", billed=False)]
    fleet = Fleet([refusal] * 9, [refused()] * 30, retries=0)
    for _ in range(8):
        with pytest.raises(UpstreamError, match="wrong key"):
            await fleet.ask()
    assert fleet.all.deployments[1].breaker.state == "open"
    assert fleet.all.problem is not None


async def test_what_opens_a_breaker_is_a_problem_until_the_next_call_may_pass() -> None:
    fleet = Fleet([refused()] * 5, retries=0)
    for _ in range(5):
        assert fleet.all.problem is None
        with pytest.raises(UpstreamError):
            await fleet.ask()
    assert "left alone" in (fleet.all.problem or "")


async def test_all_that_was_tried_is_told_in_both_ways() -> None:
    def failed(inside: str) -> Recording:
        return [UpstreamError(inside, billed=False, redacted=ClientMessage("no answer", "later"))]

    fleet = Fleet([failed("http://10.0.0.1")], [failed("http://10.0.0.2")], retries=0)
    with pytest.raises(UpstreamError) as caught:
        await fleet.ask()
    assert "http://10.0.0.1" in str(caught.value)
    assert "http://10.0.0.2" in str(caught.value)
    assert "10.0" not in caught.value.client_message.message
    assert caught.value.client_message.message.count("no answer") == 2


async def test_a_place_that_refuses_one_call_of_several_is_taken_to_take_the_others() -> None:
    fleet = Fleet([refused(RateLimited), ANSWER])
    (place,) = fleet.all.deployments
    assert fleet.all.capacity is None
    place.in_flight = 5
    await fleet.ask()
    assert fleet.all.capacity == pytest.approx(5 + 1 / 5), "and a fifth more, as the next one began in time"
