"""The form of an answer on real engines: thinking is free, then comes JSON that fits its schema, or a tool call."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import msgspec
import pytest
from jsonschema import validate
from spine import Spine, request

from perpend.backends.completion.llama import LlamaCompletion
from perpend.backends.contract import Upstream
from perpend.errors import BadRequest
from perpend.providers.provider import Provider
from perpend.transport.client import HTTPClient, UpstreamAccount
from perpend.types import ForcedTool, Message, OutputFormat, OutputSpec, Sampling, Tool

SCHEMA = {
    "type": "object",
    "properties": {"digit": {"type": "integer", "minimum": 0, "maximum": 9}, "sure": {"type": "boolean"}},
    "required": ["digit", "sure"],
    "additionalProperties": False,
}
ASKED = (Message("user", "Start at 7: +5 *3 -4 +2 *7. Last digit?"),)
ONE = {
    "type": "object",
    "properties": {"a": {"enum": [1]}},
    "required": ["a"],
    "additionalProperties": False,
}
PICK = Tool(name="f", parameters=ONE)


@pytest.fixture
async def http() -> AsyncGenerator[HTTPClient, None]:
    client = HTTPClient()
    yield client
    await client.aclose()


def spine(http: HTTPClient, engine: str, family: str) -> Spine:
    async def url() -> str:
        return engine

    account = UpstreamAccount({"content-type": "application/json"})
    backend = LlamaCompletion(Upstream(Provider(name="embedded"), http, url, account))
    return Spine(backend, family=family, context=2048)


async def test_json_fits_its_schema_after_free_thinking(http: HTTPClient, engine_url: str) -> None:
    answer = await spine(http, engine_url, "tiny").ask(
        request(
            messages=ASKED,
            max_thinking_tokens=12,
            output_spec=OutputSpec(output=OutputFormat(schema=SCHEMA)),
            sampling=Sampling(temperature=0.0, seed=1),
        )
    )
    assert answer.thinking.strip()
    assert "{" not in answer.thinking
    validate(msgspec.json.decode(answer.text), SCHEMA)
    assert answer.stop_reason == "stop"


async def test_a_model_that_never_learnt_tools_says_so(http: HTTPClient, engine_url: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await spine(http, engine_url, "tiny").ask(
            request(messages=ASKED, output_spec=OutputSpec(tools=(PICK,)))
        )
    assert caught.value.field == "tools"


async def test_tools_that_are_not_to_be_called_need_no_model_that_calls_any(
    http: HTTPClient, engine_url: str
) -> None:
    output_spec = OutputSpec(tools=(PICK,), tool_choice="none")
    answer = await spine(http, engine_url, "tiny").ask(
        request(messages=ASKED, output_spec=output_spec, max_thinking_tokens=4, max_output_tokens=12)
    )
    assert (answer.tool_calls, bool(answer.text)) == ((), True)


async def test_a_tool_that_has_to_be_called_is_called(http: HTTPClient, engine_url: str) -> None:
    told = spine(http, engine_url, "tiny")
    told.model = replace(told.model, family=msgspec.structs.replace(told.model.family, tools="hermes"))
    answer = await told.ask(
        request(
            messages=(Message("user", "Pick."),),
            max_thinking_tokens=4,
            max_output_tokens=120,
            output_spec=OutputSpec(tools=(PICK,), tool_choice=ForcedTool("f")),
            sampling=Sampling(temperature=0.0, seed=1),
        )
    )
    (call,) = answer.tool_calls
    assert (call.name, answer.text, answer.stop_reason) == ("f", "", "tool_calls")
    validate(msgspec.json.decode(call.arguments), PICK.parameters)
