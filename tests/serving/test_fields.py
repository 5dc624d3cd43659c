"""What stock clients send is never refused and never dropped silently; what is misspelt is an error."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scripted import BODY, DELTAS, STARTED, House, Keys, answer, gateway

from perpend.config.schema import CacheConfig, Config, ServeConfig
from perpend.errors import BadRequest
from perpend.serving.dialects import anthropic_request, openai_chat_request
from perpend.serving.dialects.openai_responses import OpenAIResponsesDialect
from perpend.serving.fields import misspelt_field, slips_between
from perpend.types import Finished, Request

USER = {"role": "user", "content": "hi"}


def chat(config: Config, **fields: Any) -> Request:
    return openai_chat_request.parse(msgspec.json.encode({"messages": [USER], **fields}), config).request


def messages(config: Config, **fields: Any) -> Request:
    body = {"messages": [USER], "max_tokens": 99, **fields}
    return anthropic_request.parse(msgspec.json.encode(body), config).request


def responses(config: Config, **fields: Any) -> Request:
    body = msgspec.json.encode({"input": [USER], "store": False, **fields})
    return OpenAIResponsesDialect(House().responses, House().conversations).parse(body, config, None).request


DIALECTS = (chat, messages, responses)
PASSED_OVER: list[tuple[Any, dict[str, Any], tuple[str, ...]]] = [
    *[(parse, {"client_metadata": {"a": 1}}, ("client_metadata",)) for parse in DIALECTS],
    *[(parse, {"metadatas_of_mine": None}, ("metadatas_of_mine",)) for parse in DIALECTS],
    (chat, {"messages": [{**USER, "cache_control": {}}] * 3}, ("messages[].cache_control",)),
    (chat, {"messages": [{**USER, "name": "ann"}] * 2}, ("messages[].name",)),
    (chat, {"stream_options": {"include_obfuscation": True}}, ("stream_options.include_obfuscation",)),
    (chat, {"model": "m", "models": ["m", "n"]}, ("models",)),  # OpenRouter's
    (chat, {"tools": [{"type": "web_search"}]}, ("tools[0]",)),
    (chat, {"service_tier": "scale", "store": False}, ("service_tier",)),
    (chat, {"reasoning_format": "parsed"}, ("reasoning_format",)),
    (
        messages,
        {"system": [{"type": "text", "text": "s", "shade": {"type": "blue"}}]},
        ("system[].shade",),
    ),
    (messages, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, ("tools[0]",)),
    (responses, {"input": [USER, {"type": "compaction", "x": 1}]}, ("input[].x", "input[1]")),
    (responses, {"moderation": {"a": 1}}, ("moderation",)),
]


@pytest.mark.parametrize(("parse", "fields", "ignored"), PASSED_OVER)
def test_what_nobody_here_knows_is_passed_over_and_named(
    parse: Any, fields: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    assert parse(Config(), **fields).ignored == ignored


@pytest.mark.parametrize(("parse", "fields", "ignored"), PASSED_OVER)
def test_strict_fields_refuse_all_of_it(parse: Any, fields: dict[str, Any], ignored: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(Config(serve=ServeConfig(strict_fields=True)), **fields)
    indices = re.compile(r"\[\d\]")
    assert indices.sub("[]", caught.value.field or "") in [indices.sub("[]", name) for name in ignored]
    assert caught.value.hint


@pytest.mark.parametrize("parse", DIALECTS)
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("max_thinking_token", "max_thinking_tokens"),
        ("thinking_tokens", "max_thinking_tokens"),
        ("maxThinkingTokens", "max_thinking_tokens"),
        ("max_cost", "max_cost_usd"),
        ("deadline", "deadline_ms"),
        ("temprature", "temperature"),
        ("topP", "top_p"),
        ("tool", "tools"),
        ("modle", "model"),
    ],
)
def test_a_misspelt_field_says_what_was_meant(parse: Any, name: str, hint: str) -> None:
    with pytest.raises(BadRequest, match=name) as caught:
        parse(Config(), **{name: 1})
    assert caught.value.field == name
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("parse", DIALECTS)
def test_who_asks_for_the_response_cache_where_there_is_none_is_told(parse: Any) -> None:
    never = Config(cache=CacheConfig(use="never"))
    assert parse(never, cache=True).ignored == ("cache",)
    with pytest.raises(BadRequest, match="keeping answers"):
        parse(replace(never, serve=ServeConfig(strict_fields=True)), cache=True)
    for value in (True, False, None):
        asked = parse(Config(), cache=value)
        assert (asked.cache, asked.ignored) == (value, ())


@given(st.text("abc_T", max_size=9), st.text("abc_T", max_size=9))
def test_slips_are_a_distance(one: str, other: str) -> None:
    assert slips_between(one, one) == 0
    assert slips_between(one, other) == slips_between(other, one)
    assert abs(len(one) - len(other)) <= slips_between(one, other) <= max(len(one), len(other))


def test_two_neighbours_swapped_are_one_slip() -> None:
    assert slips_between("modle", "model") == 1


def test_inside_a_part_a_field_beside_the_one_it_is_near_to_is_its_clients_own() -> None:
    assert misspelt_field("txt", ["text", "type"]) == "text"
    part = {"type": "text", "text": "hi", "txt": "ho"}
    assert chat(Config(), messages=[{"role": "user", "content": [part]}]).ignored == (
        "messages[].content[].txt",
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_names_what_was_passed_over_and_a_metric_counts_it(stream: bool) -> None:
    ended = msgspec.structs.replace(answer(), ignored=("client_metadata", "tools[3]"))
    async with gateway(House([STARTED], DELTAS, [Finished(ended)]), Keys()) as front:
        reply = await front.post({**BODY, "stream": stream})
        assert b'"ignored":["client_metadata","tools[3]"]' in reply.body
        scraped = (await front.get("/metrics")).body.decode()
    assert 'perpend_ignored_fields_total{field="client_metadata"} 1.0' in scraped
    assert 'perpend_ignored_fields_total{field="tools[]"} 1.0' in scraped
