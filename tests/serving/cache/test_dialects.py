"""In every dialect, streamed and whole, a hit is the first answer: but for its ids, what it used, and what it says of
the cache. What a client may see is decided after the cache, and what a vendor wants back still gets there.
"""

from typing import Any, cast

import msgspec
import pytest
from cached_spine import CachedSpine
from scripted import Gateway, House, Keys, Reply, assembled, events_of, gateway, named_events_of
from sdks import DIALECTS, USER, Client, next_turn, texts

from perpend.backends.contract import CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.solve import Gate, Origin, Sink
from perpend.types import (
    Answer,
    AnswerDelta,
    AnswerLogprobs,
    CallEnded,
    Message,
    ProviderState,
    ProviderStateDelta,
    Request,
    Text,
    ThinkingDelta,
    Thought,
    TokenLogprob,
    Usage,
)

USED = Usage(input=20, cached=8, thinking=2, answer=3)
SIGNED = ProviderState("test", "signature")
THINKING: list[CallEvent] = [ThinkingDelta("6 times "), ThinkingDelta("7"), ProviderStateDelta(SIGNED)]
KINDS: dict[str, list[CallEvent]] = {
    "text": [AnswerDelta("4"), AnswerDelta("2"), CallEnded("stop", USED)],
    "thinking": [*THINKING, AnswerDelta("4"), AnswerDelta("2"), CallEnded("stop", USED)],
    "structured": [*THINKING, AnswerDelta('{"a":'), AnswerDelta(" 1}"), CallEnded("stop", USED)],
}
USES = {"usage", "cost_usd", "thinking_tokens_used", "overdraft"}
SEALS = {"signature", "encrypted_content", "data"}
"""Which hold the same, and look different each time."""
OF_ITS_REQUEST = {"id", "created", "created_at", "completed_at", "request_id", "cache", *USES, *SEALS}
MISSED = {"hit": False, "age_s": None, "saved": None, "saved_usd": None}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}


class CachedHouse(House):
    """Answers through the real spine, behind a cache, what a backend replays once."""

    def __init__(self, *recordings: list[CallEvent]) -> None:
        super().__init__()
        self.backend = ReplayBackend([[copied(batch)] for batch in recordings])
        self.spine = CachedSpine(self.backend, family="generic")

    async def answer(self, request: Request, sink: Sink | None, gate: Gate | None, origin: Origin) -> Answer:
        return await self.spine.ask_as(origin.key_id, request, sink)


def copied(batch: list[CallEvent]) -> list[CallEvent]:
    return msgspec.convert(msgspec.to_builtins(batch), list[CallEvent])


def same(value: Any) -> Any:
    """Without what belongs to one request."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        kept = {name: same(one) for name, one in fields.items() if name not in OF_ITS_REQUEST}
        return kept if kept.get("type") != "reasoning" or fields.get("content") else None
    return [same(one) for one in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stock_client_gets_the_first_answer_again(dialect: str, kind: str) -> None:
    """Whichever way it was asked for first, and whichever way again."""
    first: dict[bool, dict[str, Any]] = {}
    hits: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for stream in (False, True):
        house = CachedHouse(KINDS[kind])
        async with gateway(house) as front:
            client = Client(front, cache=True)
            ask = getattr(client, dialect)
            async with client.openai, client.anthropic:
                first[stream] = await ask(stream, kind, USER)
                for again in (False, True):
                    hits[again].append(await ask(again, kind, USER))
        assert len(house.backend.calls) == 1
        assert first[stream]["perpend"]["cache"] == MISSED
    for stream, again in hits.items():
        for body in again:
            assert same(body) == same(first[stream])
            assert texts(dialect, body) == texts(dialect, first[stream])
            assert body["usage"] == hits[True][0]["usage"]
            assert same(body["perpend"]) == same(hits[True][0]["perpend"])
    bodies = [*hits[False], *hits[True]]
    assert len({body["id"] for body in (*bodies, *first.values())}) == 6
    for body in bodies:
        report = body["perpend"]["cache"]
        assert (report["hit"], report["saved"], report["saved_usd"]) == (True, msgspec.to_builtins(USED), 0)
        assert 0 <= report["age_s"] < 60
        assert set(body["perpend"]["usage"].values()) == {0}
        assert body["perpend"]["cost_usd"] == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_a_vendor_wants_back_gets_there_after_a_hit(dialect: str, stream: bool) -> None:
    house = CachedHouse(KINDS["thinking"], KINDS["text"])
    async with gateway(house) as front:
        client = Client(front, cache=True)
        ask = getattr(client, dialect)
        async with client.openai, client.anthropic:
            await ask(False, "thinking", USER)
            again = await ask(stream, "thinking", USER)
            await ask(False, "thinking", USER + next_turn(dialect, "thinking", again))
    said = house.backend.calls[1].messages[1]
    assert said == Message("assistant", (Thought("6 times 7", SIGNED), Text("42")))


async def test_legacy_completions_have_it_too() -> None:
    house = CachedHouse(KINDS["text"])
    body = {"prompt": "What is 6 × 7?", "cache": True}
    async with gateway(house) as front:
        first, again = [(await front.post(body, "/v1/completions")).json for _ in range(2)]
        stream = (await front.post({**body, "stream": True}, "/v1/completions")).body
    assert same(again) == same(first)
    chunks = [chunk for chunk in events_of(stream) if chunk != "[DONE]"]
    said = "".join(choice["text"] for chunk in chunks for choice in chunk["choices"])
    assert said == again["choices"][0]["text"] == "42"
    assert [body["perpend"]["cache"]["hit"] for body in (first, again, chunks[-1])] == [False, True, True]


async def test_one_dialect_answers_another() -> None:
    """What is asked is the same, whatever the words for it."""
    house = CachedHouse(KINDS["text"])
    async with gateway(house) as front:
        bodies = [
            (await asked(front, dialect, thinking_visibility="hidden", max_tokens=400)).json
            for dialect in ("chat", "messages")
        ]
    assert [body["perpend"]["cache"]["hit"] for body in bodies] == [False, True]


async def asked(front: Gateway, dialect: str, *, key: str = "", **fields: Any) -> Reply:
    question = "What is 6 × 7?"
    said: dict[str, Any] = (
        {"input": question}
        if dialect == "responses"
        else {"messages": [{"role": "user", "content": question}]}
    )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return await front.post({"cache": True, **said, **fields}, PATHS[dialect], headers=headers)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_a_client_may_see_is_decided_after_the_cache(dialect: str, stream: bool) -> None:
    house = CachedHouse(KINDS["thinking"], KINDS["thinking"])
    limit: dict[str, Any] = {"max_tokens": 4000} if dialect == "messages" else {}
    bodies: dict[str, bytes] = {}
    async with gateway(house) as front:
        for visibility in ("visible", "hidden", "visible", "hidden"):
            reply = await asked(front, dialect, thinking_visibility=visibility, stream=stream, **limit)
            bodies[visibility] = reply.body
    assert house.spine.hits == 2
    assert b"6 times 7" in bodies["visible"]
    assert b"6 times" not in bodies["hidden"]
    assert b"42" in bodies["hidden"]


LOGPROBS = [TokenLogprob(token="4", logprob=-0.1), TokenLogprob(token="2", logprob=-0.2)]
WEIGHED: list[CallEvent] = [AnswerDelta("42"), AnswerLogprobs(LOGPROBS), CallEnded("stop", USED)]


async def test_logprobs_are_kept_with_their_tokens() -> None:
    async with gateway(CachedHouse(WEIGHED)) as front:
        bodies = [(await asked(front, "chat", logprobs=True)).json for _ in range(2)]
        stream = (await asked(front, "chat", logprobs=True, stream=True)).body
    assert bodies[1]["perpend"]["cache"]["hit"]
    assert bodies[0]["choices"] == bodies[1]["choices"]
    assert bodies[0]["choices"][0]["logprobs"]["content"][0]["token"] == "4"
    assert stream.count(b'"token":"4"') == 1


async def test_several_choices_are_given_again_together() -> None:
    async with gateway(CachedHouse(KINDS["text"], KINDS["thinking"])) as front:
        bodies = [(await asked(front, "chat", n=2)).json for _ in range(2)]
    assert [body["perpend"]["cache"]["hit"] for body in bodies] == [False, True]
    assert len(bodies[0]["choices"]) == 2
    assert same(bodies[0]["choices"]) == same(bodies[1]["choices"])


async def test_a_summary_is_given_again() -> None:
    long: list[CallEvent] = [
        ThinkingDelta("six times seven is what ", 20),
        AnswerDelta("42"),
        CallEnded("stop", USED),
    ]
    summary: list[CallEvent] = [AnswerDelta("It multiplies."), CallEnded("stop", USED)]
    house = CachedHouse(long, summary)
    summed: dict[str, Any] = {"thinking_visibility": "summary", "max_tokens": 4000}
    async with gateway(house) as front:
        whole = [(await asked(front, "chat", **summed)).json for _ in range(2)]
        stream = await asked(front, "chat", **summed, stream=True)
        message = (await asked(front, "messages", **summed)).json
        events = named_events_of((await asked(front, "messages", **summed, stream=True)).body)
    assert [body["perpend"]["cache"]["hit"] for body in whole] == [False, True]
    assert whole[1]["choices"] == whole[0]["choices"]
    assert assembled(stream.body)["choices"] == whole[0]["choices"]
    assert whole[0]["choices"][0]["message"]["reasoning_content"] == "It multiplies.\n"
    assert whole[1]["perpend"]["summaries"]["cost_usd"] == 0
    assert message["content"][0]["thinking"] == "It multiplies.\n"
    deltas = [
        event["delta"].get("thinking", "") for event in events if event["type"] == "content_block_delta"
    ]
    assert "".join(deltas) == "It multiplies.\n"


async def test_a_stored_response_has_an_id_of_its_own_and_goes_on() -> None:
    house = CachedHouse(KINDS["thinking"], KINDS["text"])
    async with gateway(house) as front:
        first, again = [(await asked(front, "responses")).json for _ in range(2)]
        kept = (await front.get(f"/v1/responses/{again['id']}")).json
        after = await asked(front, "responses", previous_response_id=again["id"], cache=None)
    assert again["perpend"]["cache"]["hit"]
    assert again["id"] != first["id"]
    assert kept["output"] == again["output"]
    assert after.status == 200
    assert house.backend.calls[1].messages[1] == Message(
        "assistant", (Thought("6 times 7", SIGNED), Text("42"))
    )


async def test_keys_share_nothing() -> None:
    house = CachedHouse(KINDS["text"], KINDS["text"])
    async with gateway(house, Keys(one="key_1", two="key_2")) as front:
        hits = [
            (await asked(front, "chat", key=key)).json["perpend"]["cache"]["hit"]
            for key in ("one", "two", "one", "two")
        ]
    assert hits == [False, False, True, True]
    assert [row.key_id for row in house.spine.recorder.rows] == ["key_1", "key_2", "key_1", "key_2"]
