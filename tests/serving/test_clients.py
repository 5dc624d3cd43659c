"""Stock clients talk to `perpend serve` with a real small model, streaming and not."""

import json
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic, BadRequestError
from gateway import Gateway, running, small_model
from openai import AsyncOpenAI, OpenAI

CHAIN = "Start at 7: +5 *3 -4 +2 *7. Last digit?"


@pytest.fixture(scope="module")
def gateway(tiny_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Gateway, None, None]:
    home = tmp_path_factory.mktemp("gateway")
    small_model(home, tiny_path)
    with running(home) as gateway:
        yield gateway


ASKED: dict[str, Any] = {
    "model": "small",
    "messages": [{"role": "user", "content": CHAIN}],
    "max_tokens": 40,
    "seed": 1,
    "temperature": 0,
    "extra_body": {"max_thinking_tokens": 12},
}


def test_the_openai_sdk_gets_the_same_streamed_and_not(gateway: Gateway) -> None:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        create: Any = client.chat.completions.create
        whole: Any = create(**ASKED)
        chunks: list[Any] = list(create(**ASKED, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content != ""
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert whole.usage.completion_tokens_details.reasoning_tokens == 12
    account: Any = whole.to_dict()["perpend"]
    streamed: Any = chunks[-1].to_dict()["perpend"]
    assert streamed["budget"] == account["budget"]
    assert streamed["plan"] == account["plan"]


def test_the_anthropic_sdk_gets_the_same_streamed_and_not(gateway: Gateway) -> None:
    asked: Any = {
        "model": "small",
        "max_tokens": 40,
        "extra_body": {"temperature": 0},
        "messages": ASKED["messages"],
        "thinking": {"type": "enabled", "budget_tokens": 12},
    }
    with Anthropic(base_url=gateway.url, api_key="none", max_retries=0) as sdk:
        client: Any = sdk  # options are spread, which its overloads can't follow
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        counted = client.messages.count_tokens(model="small", messages=ASKED["messages"])
        with pytest.raises(BadRequestError, match="top_k"):
            client.messages.create(**{**asked, "extra_body": {"top_q": 5}})
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in whole.content]
    assert whole.usage.output_tokens_details is not None
    assert whole.usage.output_tokens_details.thinking_tokens == 12
    assert counted.input_tokens > 10


def test_the_openai_sdk_goes_on_from_a_response(gateway: Gateway) -> None:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        first = client.responses.create(model="small", input=CHAIN, max_output_tokens=40)
        again = client.responses.create(
            model="small", input="And now?", previous_response_id=first.id, max_output_tokens=40
        )
        assert again.output_text
        assert again.usage is not None
        assert first.usage is not None
        assert again.usage.input_tokens > first.usage.input_tokens
        queued = client.responses.create(model="small", input=CHAIN, background=True, max_output_tokens=40)
        assert queued.status == "queued"
        while (done := client.responses.retrieve(queued.id)).status in ("queued", "in_progress"):
            time.sleep(0.05)
        assert (done.status, bool(done.output_text)) == ("completed", True)


def test_the_llm_library_talks_to_it(gateway: Gateway) -> None:
    from llm.default_plugins.openai_models import Chat

    model: Any = Chat("small", model_name="small", api_base=f"{gateway.url}/v1")
    for stream in (True, False):
        assert model.prompt(CHAIN, stream=stream, max_tokens=30, key="none").text()


async def test_pydantic_ai_talks_to_it(gateway: Gateway) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
        model = OpenAIChatModel("small", provider=OpenAIProvider(openai_client=client))
        agent = Agent(model, model_settings={"max_tokens": 30})
        assert (await agent.run(CHAIN)).output
        async with agent.run_stream(CHAIN) as result:
            assert await result.get_output()


def test_a_client_that_goes_away_frees_the_engine_within_a_second(gateway: Gateway) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    asked = {"model": "small", "stream": True, "max_tokens": 900, "max_thinking_tokens": 800}
    body = json.dumps({**asked, "messages": ASKED["messages"]})
    with socket.create_connection((host, int(port))) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        client.sendall((head + body).encode())
        client.recv(4096)
    left = time.monotonic()
    while 'status="cancelled"' not in gateway.metrics():
        assert time.monotonic() - left < 1.5, "the request goes on"
        time.sleep(0.05)
