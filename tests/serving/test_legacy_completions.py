"""`POST /v1/completions`, as OpenAI's own SDK asks it and reads the answers."""

from typing import Any

import msgspec
import pytest
from openai import AsyncOpenAI
from scripted import PLAN, STARTED, House, answer, gateway

from perpend.types import (
    AnswerDelta,
    Candidate,
    Finished,
    Message,
    Text,
    ThinkingDelta,
    TokenLogprob,
    TopLogprob,
)

LOGPROBS = (
    TokenLogprob(token="4", logprob=-0.1, top_logprobs=(TopLogprob(token="4", logprob=-0.1),)),
    TokenLogprob(token="2", logprob=-0.2, top_logprobs=(TopLogprob(token="3", logprob=-2.0),)),
)


def sdk(port: int, *, strict: bool) -> Any:
    """`strict`: of a stream OpenAI itself doesn't keep to its SDK's types, whose choices all have ended."""
    url = f"http://127.0.0.1:{port}/v1"
    return AsyncOpenAI(base_url=url, api_key="k", max_retries=0, _strict_response_validation=strict)


def house(*others: str) -> House:
    told = answer()
    first = msgspec.structs.replace(told.candidates[0], logprobs=LOGPROBS)
    beside = tuple(
        Candidate(index=index, answer=text, content=(Text(text),)) for index, text in enumerate(others, 1)
    )
    plan = msgspec.structs.replace(PLAN, strategy="samples" if others else "single")
    ended = msgspec.structs.replace(told, plan=plan, candidates=(first, *beside))
    return House(
        [STARTED], [ThinkingDelta("6 × 7")], [AnswerDelta("4")], [AnswerDelta("2")], [Finished(ended)]
    )


async def asked(rooms: House, **fields: Any) -> tuple[Any, list[Any]]:
    """The answer whole, and the chunks of its stream."""
    given: dict[str, Any] = {"model": "small", "prompt": "6 × 7 =", **fields}
    async with gateway(rooms) as front:
        async with sdk(front.port, strict=True) as client:
            whole = await client.completions.create(**given)
        async with sdk(front.port, strict=False) as client:
            chunks = [chunk async for chunk in await client.completions.create(**given, stream=True)]
    return whole, chunks


def text_of(chunks: list[Any], index: int = 0) -> str:
    return "".join(one.text for chunk in chunks for one in chunk.choices if one.index == index)


async def test_a_prompt_is_a_users_message_and_the_answer_a_text() -> None:
    rooms = house()
    whole, chunks = await asked(rooms)
    assert [request.messages for request in rooms.requests] == [(Message("user", "6 × 7 ="),)] * 2
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("42", "stop")
    assert text_of(chunks) == "42"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert whole.usage == chunks[-1].usage
    assert whole.perpend["request_id"] == chunks[-1].perpend["request_id"]


async def test_several_choices() -> None:
    whole, chunks = await asked(house("43", "44"), n=3)
    assert [choice.text for choice in whole.choices] == ["42", "43", "44"]
    assert [text_of(chunks, index) for index in range(3)] == ["42", "43", "44"]


async def test_an_echo_goes_before_the_answer() -> None:
    whole, chunks = await asked(house(), echo=True)
    assert whole.choices[0].text == text_of(chunks) == "6 × 7 =42"


async def test_log_probabilities_in_the_legacy_shape() -> None:
    whole, chunks = await asked(house(), logprobs=1, echo=True)
    told = whole.choices[0].logprobs
    assert (told.tokens, told.token_logprobs) == (["4", "2"], [-0.1, -0.2])
    assert (told.top_logprobs, told.text_offset) == ([{"4": -0.1}, {"3": -2.0}], [7, 8])
    assert chunks[-1].choices[0].logprobs == told


async def test_usage_in_a_chunk_of_its_own() -> None:
    _, chunks = await asked(house(), stream_options={"include_usage": True})
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 9 + 5 + 2)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "n": 2, "strategy": "single"}, "n"),
    ],
)
async def test_what_would_mean_something_else_is_refused(fields: dict[str, Any], field: str) -> None:
    async with gateway(House()) as front:
        reply = await front.post(fields, "/v1/completions")
    assert (reply.status, reply.error["param"]) == (400, field)


async def test_what_cant_be_honoured_is_named() -> None:
    rooms = House()
    async with gateway(rooms) as front:
        await front.post({"prompt": ["hi"], "best_of": 4, "user": "u"}, "/v1/completions")
    assert rooms.requests[0].ignored == ("best_of",)
    assert rooms.requests[0].user == "u"
