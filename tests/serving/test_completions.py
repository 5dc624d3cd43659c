"""A chat request over a real socket: whole, streamed, failed, given up."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec
import pytest
from scripted import (
    BODY,
    DELTAS,
    STARTED,
    House,
    Keys,
    answer,
    assembled,
    events_of,
    gateway,
    named_events_of,
    until,
)

from perpend.config.schema import Config, ServeConfig
from perpend.errors import (
    AccountRefused,
    CapReached,
    ContextTooLong,
    Overloaded,
    PromptTooLong,
    RateLimited,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamTimeout,
)
from perpend.serving import disconnect as watch
from perpend.types import AnswerDelta, Finished, ThinkingDelta

T = TypeVar("T")
STREAMED = {**BODY, "stream": True}


async def soon(what: Awaitable[T]) -> T:
    """Far longer than anything here takes."""
    return await asyncio.wait_for(what, 20)


OWN = {
    "request_id": "req_1",
    "model": "small",
    "model_version": "small-q4",
    "plan": {
        "model": "small",
        "effort": "low",
        "requested_effort": "low",
        "strategy": "single",
        "reason": "asked for",
    },
    "budget": {
        "requested_thinking_tokens": 512,
        "sent": {"reasoning_effort": "low"},
        "effective_thinking_tokens": 64,
        "thinking_tokens_used": 5,
        "lowered_by": "context",
        "overdraft": None,
    },
    "usage": {"input": 9, "cached": 3, "thinking": 5, "answer": 2},
    "cost_usd": 0.000123,
    "summaries": None,
    "cache": None,
    "truncated": False,
    "stop_reason": "stop",
    "candidates": [
        {
            "answer": "42",
            "score": 0.5,
            "thinking": 5,
            "answer_tokens": 2,
            "cost_usd": 0.000123,
            "stop_reason": "stop",
            "verdict": None,
            "model": "small",
            "chosen": True,
        }
    ],
    "verdict": None,
    "guards": [],
    "ignored": [],
}
"""What an answer says of itself."""


async def test_a_whole_answer() -> None:
    async with gateway(House()) as front:
        reply = await front.post(BODY)
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["X-Request-Id"] == reply.json["perpend"]["request_id"] == "req_1"
        assert reply.json["choices"] == [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "42",
                    "reasoning_content": "6 × 7",
                    "refusal": None,
                },
                "finish_reason": "stop",
            }
        ]
        assert reply.json["usage"] == {
            "prompt_tokens": 9,
            "completion_tokens": 7,
            "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 5},
        }
        assert reply.json["perpend"] == OWN


async def test_a_streamed_answer_is_the_same() -> None:
    async with gateway(House()) as front:
        whole = (await front.post(BODY)).json
        streamed = await front.post(STREAMED)
        assert streamed.status == 200
        assert streamed.headers["Content-Type"].startswith("text/event-stream")
        assert streamed.headers["X-Request-Id"] == "req_1"
        got = assembled(streamed.body)
        assert got == {name: value for name, value in whole.items() if name not in ("object", "created")}


async def test_an_answer_that_filled_its_budget_ends_by_length() -> None:
    async with gateway(House([STARTED], [Finished(answer(stop="answer_tokens"))])) as front:
        assert (await front.post(BODY)).json["choices"][0]["finish_reason"] == "length"


async def test_deltas_arrive_while_the_rest_is_still_being_made() -> None:
    go_on = asyncio.Event()
    house = House([STARTED], [ThinkingDelta("6 × 7")], go_on, [Finished(answer())])
    async with (
        gateway(house) as front,
        front.session.post("/v1/chat/completions", data=msgspec.json.encode(STREAMED)) as response,
    ):
        first = await soon(response.content.readuntil(b"6 \xc3\x97 7"))
        assert b'"reasoning_content":' in first
        go_on.set()
        assert (await soon(response.content.read())).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("body", [BODY, STREAMED])
@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [
        (UpstreamError("it hung up", hint="try again"), 502, None),
        (UpstreamTimeout("too slow"), 504, None),
        (RateLimited("slow down", retry_after=2.5), 429, "3"),
        (UpstreamOverloaded("busy", retry_after=1), 503, "1"),
        (AccountRefused("wrong key"), 502, None),
        (ContextTooLong("too long", field="messages"), 400, None),
        (CapReached("no room", hint="raise max_cost_usd", field="max_cost_usd"), 402, None),
        (Overloaded("busy", retry_after=1.2), 429, "2"),
    ],
)
async def test_an_error_before_the_first_token(body: Any, error: Any, status: int, wait: str | None) -> None:
    async with gateway(House([STARTED], error)) as front:
        reply = await front.post(body)
        assert reply.status == status
        assert reply.error["message"] == error.message
        assert reply.error["code"] == error.code
        assert reply.error.get("hint") == error.hint
        assert reply.error["param"] == error.field
        assert reply.headers.get("Retry-After") == wait
        assert reply.headers["X-Request-Id"] == "req_1"


@pytest.mark.parametrize(
    "error",
    [PromptTooLong(20_000, 8191), ContextTooLong("prompt is too long: x answered 400: too many tokens")],
    ids=["ours", "an upstream's"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_is_too_long_is_told_so_that_clients_shorten_it(error: Any, stream: bool) -> None:
    """Claude Code looks for the words, Codex for the code in `response.failed`, others for either."""
    asked = {**BODY, "stream": stream}
    async with gateway(House([STARTED], error)) as front:
        for path in ("/v1/chat/completions", "/v1/messages"):
            reply = await front.post(asked, path)
            assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
            assert reply.error["type"] == "invalid_request_error"
            assert reply.error["message"].startswith("prompt is too long: ")
        reply = await front.post({"input": "hi", "stream": stream}, "/v1/responses")
        if not stream:
            assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
            return
        events = named_events_of(reply.body)
    kinds = [event["type"] for event in events]
    assert kinds == ["response.created", "response.in_progress", "error", "response.failed"]
    assert [event["sequence_number"] for event in events] == [0, 1, 2, 3]
    assert events[2]["code"] == events[2]["error"]["code"] == "context_length_exceeded"
    failed = events[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "context_length_exceeded")
    assert failed["error"]["message"].startswith("prompt is too long: ")


async def test_an_error_after_the_first_token_is_the_stream_s_last_word() -> None:
    async with gateway(House([STARTED], DELTAS, UpstreamError("it hung up"))) as front:
        *_, error, done = events_of((await front.post(STREAMED)).body)
        assert error["error"]["message"] == "it hung up"
        assert done == "[DONE]"


@pytest.mark.parametrize("body", [BODY, STREAMED])
async def test_a_bug_shows_neither_its_trace_nor_the_prompt(
    body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway(House([STARTED], ValueError("What is 6 × 7?"))) as front:
        reply = await front.post(body)
    assert reply.status == 500
    assert reply.error["code"] == "internal_error"
    for text in (reply.body.decode(), caplog.text):
        assert "6 × 7" not in text
    assert "Traceback" not in reply.body.decode()
    assert "ValueError" in caplog.text


@pytest.mark.parametrize("body", [BODY, STREAMED])
async def test_a_client_that_goes_away_cancels_the_work(body: Any) -> None:
    house = House([STARTED], [ThinkingDelta("hm")], asyncio.Event(), [Finished(answer())])
    async with gateway(house) as front:
        _, writer = await asyncio.open_connection("127.0.0.1", front.port)
        data = msgspec.json.encode(body)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(data)
        )
        writer.write(data)
        await writer.drain()
        await until(lambda: house.requests)
        writer.close()
        await soon(house.cancelled.wait())
        await until(lambda: not front.metrics.in_flight)
        assert b'status="cancelled",strategy="single"} 1.0' in front.metrics.scrape()


async def test_a_silent_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LISTEN_AFTER_S", 0.01)
    monkeypatch.setattr(watch, "IDLE_S", 0.05)
    async with gateway(House([STARTED], 0.3, [AnswerDelta("42")], [Finished(answer())])) as front:
        body = (await front.post({**STREAMED, "thinking_visibility": "hidden"})).body
        assert body.startswith(b": keep-alive\n\n")
        assert assembled(body)["choices"][0]["message"]["content"] == "42"
        assert (await front.post(BODY)).json["choices"][0]["message"]["content"] == "42"


async def test_no_more_at_once_than_configured() -> None:
    go_on = asyncio.Event()
    config = Config(serve=ServeConfig(max_concurrent=1))
    async with gateway(House([STARTED], go_on, [Finished(answer())], config=config)) as front:
        first = asyncio.create_task(front.post(BODY))
        await until(lambda: front.house.requests)
        second = await front.post(BODY)
        assert second.status == 429
        assert second.headers["Retry-After"] == "1"
        assert second.error["type"] == "rate_limit_error"
        go_on.set()
        assert (await soon(first)).status == 200
        assert (await front.post(BODY)).status == 200


async def test_bodies_are_bounded_and_kept_whole() -> None:
    config = Config(serve=ServeConfig(max_body_bytes=300_000))
    async with gateway(House(config=config)) as front:
        long = "x" * 200_000
        assert (await front.post({**BODY, "messages": [{"role": "user", "content": long}]})).status == 200
        assert front.house.requests[0].messages[0].content == long
        for size in (300_001, 900_000):
            reply = await front.post(b" " * size)
            assert reply.status == 413
            assert reply.error["code"] == "request_too_large"


async def test_the_key_s_id_travels_with_the_request() -> None:
    async with gateway(House(), Keys(secret="key_1")) as front:
        assert (await front.post(BODY)).status == 401
        assert (await front.post(BODY, headers={"authorization": "Bearer secret"})).status == 200
        assert front.house.key_ids == ["key_1"]


FILE = "/etc/passwd.gguf"


@pytest.mark.parametrize(
    "named",
    [
        {"model": FILE},
        {"verifier": {"name": "judge", "model": FILE}},
        {"strategy": {"name": "single", "verifier": {"name": "process_reward", "model": FILE}}},
        {"strategy": {"name": "cascade", "models": ["m", FILE]}},
        {"strategy": {"name": "cascade", "models": [["m", FILE], "m"]}},
        {"strategy": {"name": "best_of_n", "of": {"name": "cascade", "models": [FILE]}}},
        {
            "strategy": {
                "name": "best_of_n",
                "of": {"name": "single", "verifier": {"name": "judge", "model": FILE}},
            }
        },
    ],
)
async def test_a_client_can_t_choose_a_file_to_load(named: dict[str, Any]) -> None:
    async with gateway(House()) as front:
        reply = await front.post({**BODY, **named})
        assert reply.status == 404
        assert reply.error["param"] == "model"
        assert front.house.requests == []


async def test_the_stop_waits_for_what_is_under_way_and_then_says_so() -> None:
    house = House([STARTED], asyncio.Event(), [Finished(answer())])
    async with gateway(house) as front:
        front.server.config.timeout_graceful_shutdown = 0
        pending = asyncio.create_task(front.post(BODY))
        await until(lambda: house.requests)
        front.server.stop()
        reply = await soon(pending)
        assert (reply.status, reply.error["message"]) == (429, "the server is stopping")
        assert house.cancelled.is_set()
