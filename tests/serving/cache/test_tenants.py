"""No tenant is ever given what was made for another: not from what is kept, and not by waiting for who makes it."""

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar

from cached_spine import CachedSpine
from hypothesis import given, settings
from hypothesis import strategies as st
from spine import request
from stub_backend import StubBackend

from perpend.backends.contract import Call, CallEvent
from perpend.types import Answer, AnswerDelta, CallEnded, Message, Request

TENANTS = ("a", "b", None)
asks_now: ContextVar[str | None] = ContextVar("asks_now")


class Echo(StubBackend):
    """Answers with who asked it, and what."""

    def __init__(self) -> None:
        self.calls = 0

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        self.calls += 1
        who = asks_now.get()
        await asyncio.sleep(0)
        yield [AnswerDelta(f"{who}: {call.messages[-1].text}")]
        await asyncio.sleep(0)
        yield [CallEnded("stop")]


def asked(prompt: str) -> Request:
    return request(cache=True, effort="none", messages=(Message("user", prompt),))


async def ask(spine: CachedSpine, tenant: str | None, prompt: str) -> Answer:
    asks_now.set(tenant)  # of this task
    return await spine.ask_as(tenant, asked(prompt))


Step = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(TENANTS), st.sampled_from(["x", "y"])),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.none()),
    st.tuples(st.just("wait"), st.integers(1, 30), st.none()),
    st.tuples(st.just("age"), st.integers(0, 50), st.none()),
)


@settings(max_examples=60)
@given(st.lists(Step, max_size=30))
async def test_every_answer_was_made_for_who_gets_it(
    steps: list[tuple[str, str | int | None, str | None]],
) -> None:
    spine = CachedSpine(Echo(), family="generic")
    tasks: list[tuple[asyncio.Task[Answer], str | None, str]] = []
    for what, first, prompt in steps:
        if what == "ask":
            tenant = None if first is None else str(first)
            tasks.append((asyncio.create_task(ask(spine, tenant, str(prompt))), tenant, str(prompt)))
        elif what == "cancel" and tasks:
            tasks[int(first or 0) % len(tasks)][0].cancel()
        elif what == "wait":
            for _ in range(int(first or 0)):
                await asyncio.sleep(0)
        elif what == "age":
            spine.now += int(first or 0)
    answers = await asyncio.gather(*(task for task, _, _ in tasks), return_exceptions=True)
    for answer, (_, tenant, prompt) in zip(answers, tasks, strict=True):
        assert isinstance(answer, asyncio.CancelledError) or answered(answer) == f"{tenant}: {prompt}"
    assert not len(spine.cache.flights)
    rows = spine.recorder.rows
    assert len(rows) <= len(tasks)
    assert sum(row.cache_hit for row in rows) == spine.hits


def answered(answer: Answer | BaseException) -> str:
    assert isinstance(answer, Answer), answer
    return answer.text
