"""What OpenAI's clients may ask of a chat, as their SDK reads the answers: choices, log-probabilities, functions."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai import AsyncOpenAI
from scripted import PLAN, STARTED, House, answer, gateway
from wire_server import Server, chat_bodies, fronted

from perpend.config.schema import ModelConfig, ProviderConfig
from perpend.types import (
    Answer,
    AnswerDelta,
    AnswerLogprobs,
    Candidate,
    Event,
    Finished,
    Text,
    Thought,
    TokenLogprob,
    ToolCallDelta,
    ToolUse,
    TopLogprob,
)

USER = [{"role": "user", "content": "What is 6 × 7?"}]
LOGPROBS = (
    TokenLogprob(
        token="42",
        logprob=-0.1,
        bytes=(52, 50),
        top_logprobs=(TopLogprob(token="42", logprob=-0.1), TopLogprob(token="41", logprob=-3.0)),
    ),
)
FUNCTION: dict[str, Any] = {"name": "add", "parameters": {"type": "object", "properties": {}}}


def sdk(port: int) -> Any:
    return AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key="k", max_retries=0, _strict_response_validation=True
    )


async def completed(house: House, **asked: Any) -> tuple[Any, Any]:
    """The completion whole, and as the SDK puts it together from a stream."""
    async with gateway(house) as front, sdk(front.port) as client:
        whole = await client.chat.completions.create(model="small", messages=USER, **asked)
        async with client.chat.completions.stream(model="small", messages=USER, **asked) as events:
            async for _ in events:
                pass
            streamed = await events.get_final_completion()
    return whole, streamed


def drawn() -> Answer:
    first = answer()
    others = tuple(
        Candidate(
            index=index,
            answer=text,
            thinking="hm",
            content=(Thought("hm"), Text(text)),
            logprobs=LOGPROBS,
            stop_reason="stop" if index == 1 else "tool_calls",
        )
        for index, text in enumerate(("43", "44"), 1)
    )
    plan = msgspec.structs.replace(PLAN, strategy="samples")
    return msgspec.structs.replace(first, plan=plan, candidates=(*first.candidates, *others))


async def test_n_choices_whole_and_streamed() -> None:
    house = House([STARTED], [AnswerDelta("42")], [Finished(drawn())])
    whole, streamed = await completed(house, n=3)
    for body in (whole, streamed):
        assert [choice.message.content for choice in body.choices] == ["42", "43", "44"]
        assert [choice.finish_reason for choice in body.choices] == ["stop", "stop", "tool_calls"]
        assert [choice.index for choice in body.choices] == [0, 1, 2]
        assert body.choices[1].message.reasoning_content == "hm"
        assert body.choices[2].logprobs.content[0].top_logprobs[1].logprob == -3.0
    assert house.requests[0].strategy.options == {"n": 3}


async def test_log_probabilities_whole_and_streamed() -> None:
    events: list[Event] = [AnswerDelta("42"), AnswerLogprobs([*LOGPROBS])]
    told = answer()
    told = msgspec.structs.replace(
        told, candidates=(msgspec.structs.replace(told.candidates[0], logprobs=LOGPROBS),)
    )
    whole, streamed = await completed(House([STARTED], events, [Finished(told)]), logprobs=True)
    for body in (whole, streamed):
        (token,) = body.choices[0].logprobs.content
        assert (token.token, token.logprob, token.bytes) == ("42", -0.1, [52, 50])
        assert [one.token for one in token.top_logprobs] == ["42", "41"]


async def test_log_probabilities_of_a_response() -> None:
    events: list[Event] = [AnswerDelta("42"), AnswerLogprobs([*LOGPROBS])]
    told = answer()
    told = msgspec.structs.replace(
        told, candidates=(msgspec.structs.replace(told.candidates[0], logprobs=LOGPROBS),)
    )
    house = House([STARTED], events, [Finished(told)])
    asked: dict[str, Any] = {"model": "small", "input": "6 × 7?", "include": ["message.output_text.logprobs"]}
    async with gateway(house) as front, sdk(front.port) as client:
        whole = await client.responses.create(**asked, top_logprobs=2)
        *_, last = [event async for event in await client.responses.create(**asked, stream=True)]
    for body in (whole, last.response):
        (token,) = body.output[-1].content[0].logprobs
        assert (token.token, token.logprob, token.bytes) == ("42", -0.1, [52, 50])
        assert [one.bytes for one in token.top_logprobs] == [[52, 50], [52, 49]]
    assert [request.sampling.logprobs for request in house.requests] == [2, 0]
    assert house.requests[0].ignored == ()


async def test_who_sends_functions_is_answered_in_functions() -> None:
    call = ToolUse("c1", "add", '{"a": 1}')
    events: list[Event] = [ToolCallDelta(0, "c1", "add", '{"a": 1}')]
    ended = Finished(answer("", "", "tool_calls", content=(call,)))
    async with gateway(House([STARTED], events, [ended])) as front, sdk(front.port) as client:
        asked: dict[str, Any] = {"model": "small", "messages": USER, "functions": [FUNCTION]}
        whole = await client.chat.completions.create(**asked)
        chunks = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
    (choice,) = whole.choices
    assert (choice.finish_reason, choice.message.tool_calls) == ("function_call", None)
    assert (choice.message.function_call.name, choice.message.function_call.arguments) == ("add", '{"a": 1}')
    pieces = [one.choices[0].delta.function_call for one in chunks if one.choices[0].delta.function_call]
    assert [(piece.name, piece.arguments) for piece in pieces] == [("add", '{"a": 1}')]
    assert chunks[-1].choices[0].finish_reason == "function_call"


async def asked(like: str, model: str, home: Path, *texts: str, **fields: Any) -> tuple[Any, Server]:
    server = Server(chat_bodies(*texts or ("42",)))
    provider, row = ProviderConfig(like=like, wire="openai_chat"), ModelConfig(name=model)
    async with fronted(server, provider, row, home) as front, sdk(front.port) as client:
        body = await client.chat.completions.create(model="m", messages=USER, extra_body=fields)
    return body, server


async def test_what_a_model_cant_honour_is_left_out_and_named(tmp_path: Path) -> None:
    fields = {"temperature": 0.5, "top_k": 40, "presence_penalty": 1, "logprobs": True, "seed": 7}
    body, server = await asked("openai", "gpt-5.1", tmp_path, **fields)
    assert body.perpend["ignored"] == ["temperature", "top_k", "presence_penalty", "logprobs"]
    assert not {"temperature", "top_k", "presence_penalty", "logprobs"} & server.asked[0].body.keys()
    assert server.asked[0].body["seed"] == 7


async def test_what_it_can_honour_arrives(tmp_path: Path) -> None:
    fields = {"top_k": 40, "min_p": 0.1, "repetition_penalty": 1.1, "frequency_penalty": 1}
    body, server = await asked("vllm", "qwen", tmp_path, **fields)
    assert body.perpend["ignored"] == []
    assert fields.items() <= server.asked[0].body.items()


async def test_n_is_drawn_in_as_many_calls_out_of_one_budget(tmp_path: Path) -> None:
    body, server = await asked("openai", "gpt-4o", tmp_path, "1", "2", "3", n=3, max_completion_tokens=90)
    assert sorted(choice.message.content for choice in body.choices) == ["1", "2", "3"]
    assert body.usage.completion_tokens == 3
    assert sum(call.body["max_completion_tokens"] for call in server.asked) <= 90
    assert "n" not in server.asked[0].body


async def test_options_of_a_vendors_own_go_to_it_alone(tmp_path: Path) -> None:
    options = {"openai": {"a": 1}, "openai_chat": {"service_tier": "flex"}, "here": {"verbosity": "low"}}
    _, server = await asked("openai", "gpt-4o", tmp_path, provider_options=options)
    sent = server.asked[0].body
    assert (sent["service_tier"], sent["verbosity"], sent.get("a")) == ("flex", "low", None)


@pytest.mark.parametrize("field", ["temperature", "stream_options"])
async def test_an_option_never_changes_what_is_sent(tmp_path: Path, field: str) -> None:
    server = Server(chat_bodies("42"))
    provider, row = ProviderConfig(like="vllm"), ModelConfig(name="qwen")
    async with fronted(server, provider, row, tmp_path) as front:
        options = {"here": {field: {"include_usage": False} if field == "stream_options" else 1}}
        reply = await front.post(
            {"model": "m", "messages": USER, "temperature": 0.5, "provider_options": options}
        )
    assert reply.status == 400
    assert reply.error["param"].startswith(f"provider_options.here.{field}")
    assert server.asked == []
