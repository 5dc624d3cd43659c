"""The OpenAI chat wire: real recordings are read, and what is sent follows the family's row."""

import json
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from fake_server import serving
from shared_data import shared

from perpend.backends.contract import Call, CallEvent, Upstream
from perpend.backends.openai_chat.wire import OpenAIChatBackend
from perpend.errors import UpstreamError, UpstreamTimeout
from perpend.families.family import family_named
from perpend.providers.provider import Provider
from perpend.transport.client import HTTPClient, Timeouts, UpstreamAccount
from perpend.types import AnswerDelta, CallEnded, Effort, Message, Sampling, ThinkingDelta, Usage


def call(family: str = "generic", effort: Effort = "medium", **changes: Any) -> Call:
    fields: dict[str, Any] = {"max_tokens": 300, "thinking_tokens": 200, "messages": (Message("user", "Hi"),)}
    return Call(model="m", family=family_named(family), effort=effort, **{**fields, **changes})


def upstream(http: HTTPClient, url: str, account: UpstreamAccount) -> Upstream:
    async def base() -> str:
        return f"{url}/v1"

    return Upstream(Provider(name="openai"), http, base, account)


def streaming(body: bytes, seen: list[dict[str, Any]] | None = None, status: int = 200) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        if seen is not None:
            seen.append(await request.json())
        return web.Response(body=body, status=status, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    return app


async def collect(app: web.Application, asked: Call, read_s: float = 5) -> list[CallEvent]:
    http = HTTPClient()
    try:
        async with serving(app) as url:
            account = UpstreamAccount(
                {"content-type": "application/json"}, Timeouts(first_token_s=read_s, read_s=read_s)
            )
            backend = OpenAIChatBackend(upstream(http, url, account))
            async with aclosing(backend.stream(asked)) as batches:
                return [event async for batch in batches for event in batch]
    finally:
        await http.aclose()


def text(events: list[CallEvent], kind: type[ThinkingDelta] | type[AnswerDelta]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


@pytest.mark.parametrize(
    ("recording", "thinks"),
    [
        ("deepseek/chat-reasoner-stream", True),
        ("openai/chat-gpt5-stream", False),
        ("openrouter/chat-claude-stream", True),
    ],
)
async def test_a_recorded_stream_is_read_whole(recording: str, thinks: bool) -> None:
    body = shared(f"wire/{recording}/response.sse").read_bytes()
    events = await collect(streaming(body), call())
    assert bool(text(events, ThinkingDelta)) == thinks
    assert text(events, AnswerDelta)
    end = events[-1]
    assert isinstance(end, CallEnded)
    assert end.reason == "stop"
    if end.usage is not None:
        assert end.usage.output > 0


async def test_a_recorded_error_in_mid_stream_is_an_upstream_error() -> None:
    body = shared("wire/openrouter/chat-minimax-stream-error/response.sse").read_bytes()
    with pytest.raises(UpstreamError, match="in the middle"):
        await collect(streaming(body), call())


SHORT = b"""data: {"choices":[{"delta":{"role":"assistant","content":""}}]}

: keep-alive

data: {"choices":[{"delta":{"reasoning":"hm"}}]}

data: {"choices":[{"delta":{"content":"four"},"finish_reason":"length"}]}

data: {"choices":[],"model":"m-1","usage":{"prompt_tokens":9,"completion_tokens":7,
data: "completion_tokens_details":{"reasoning_tokens":5},"prompt_tokens_details":{"cached_tokens":8}}}

data: [DONE]

"""


async def test_usage_and_the_end_are_told() -> None:
    events = await collect(streaming(SHORT), call())
    assert events == [
        ThinkingDelta("hm", 0),
        AnswerDelta("four", 0),
        CallEnded("length", Usage(9, 8, 5, 2), "m-1"),
    ]


async def test_a_stream_without_an_end_is_an_upstream_error() -> None:
    with pytest.raises(UpstreamError, match="ended the stream in the middle"):
        await collect(streaming(SHORT.split(b"data: {", 2)[0] + b'data: {"choices":[]}\n\n'), call())


@pytest.mark.parametrize(
    ("last", "said"),
    [(b'{"error": {"message": "out of memory"}}', "out of memory"), (b"{damaged", "can't be read")],
)
async def test_what_came_before_a_failure_in_the_same_read_is_kept(last: bytes, said: str) -> None:
    good = b'{"choices": [{"delta": {"content": "so far"}}]}'
    got: list[CallEvent] = []
    http = HTTPClient()
    async with serving(streaming(b"data: " + good + b"\n\ndata: " + last + b"\n\n")) as url:
        backend = OpenAIChatBackend(upstream(http, url, UpstreamAccount({})))
        async with aclosing(backend.stream(call())) as batches:
            got += await anext(batches)
            with pytest.raises(UpstreamError, match=said):
                await anext(batches)
    await http.aclose()
    assert got == [AnswerDelta("so far", 0)]


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_a_refusal_keeps_status_and_gives_a_hint(status: int) -> None:
    with pytest.raises(UpstreamError) as refused:
        await collect(streaming(b'{"error":{"message":"no"}}', status=status), call())
    assert refused.value.upstream_status == status
    assert "no" in refused.value.message


async def test_a_silent_server_times_out() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b": hold\n\n")
        import asyncio

        await asyncio.sleep(1)
        return response

    app = web.Application()
    app.router.add_post("/v1/chat/completions", silent)
    with pytest.raises(UpstreamTimeout):
        await collect(app, call(), read_s=0.1)


async def sent(asked: Call) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []
    await collect(streaming(SHORT, seen), asked)
    return json.loads(json.dumps(seen[0]))


async def test_the_effort_word_is_sent_as_the_server_knows_it() -> None:
    assert (await sent(call(effort="max")))["reasoning_effort"] == "high"
    assert (await sent(call("openai-reasoning", "none")))["reasoning_effort"] == "low"


async def test_a_native_budget_is_sent_in_tokens() -> None:
    assert (await sent(call("vllm-budget")))["thinking_token_budget"] == 200


async def test_sampling_is_left_out_where_the_server_refuses_it() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, seed=3, stop=("x",))
    body = await sent(call("openai-reasoning", sampling=sampling))
    assert "temperature" not in body
    assert "top_p" not in body
    assert (body["seed"], body["stop"], body["max_completion_tokens"]) == (3, ["x"], 300)
    body = await sent(call(sampling=sampling))
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.5, 0.9, 300)


async def test_a_server_that_counts_as_it_goes_tells_thinking_apart() -> None:
    """As vLLM 0.32 on a CPU sent it: reasoning_tokens stays 0, and the close tag is a token without text."""
    said: list[tuple[dict[str, str], int]] = [
        ({"role": "assistant", "content": ""}, 0),
        ({"reasoning": "7+5="}, 4),
        ({"reasoning": "12"}, 6),
        ({}, 7),
        ({"content": "12"}, 9),
    ]
    events: list[dict[str, Any]] = [
        {
            "choices": [{"delta": delta, "finish_reason": None}],
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": count,
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        }
        for delta, count in said
    ]
    events.append(
        {
            "choices": [{"delta": {"content": ""}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 10},
        }
    )
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    got = await collect(streaming(body + b"data: [DONE]\n\n"), call())
    assert sum(event.tokens for event in got if isinstance(event, ThinkingDelta)) == 6
    end = got[-1]
    assert isinstance(end, CallEnded)
    assert end.usage == Usage(5, 0, thinking=6, answer=4)


async def test_a_count_beside_the_end_isnt_the_last_words_own() -> None:
    choice = b'{"delta":{"content":"42"},"finish_reason":"stop"}'
    usage = b'{"prompt_tokens":5,"completion_tokens":90}'
    body = b'data: {"choices":[%b],"usage":%b}\n\n' % (choice, usage)
    got = await collect(streaming(body), call())
    assert [event.tokens for event in got if isinstance(event, AnswerDelta)] == [0]
