"""Every field of the sampling reaches every wire under that wire's own name, or is reported as left out."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from replaying import Wire, call

from perpend.backends import backends
from perpend.errors import UpstreamError
from perpend.families.family import Family, family_of
from perpend.providers.provider import Provider, providers
from perpend.transport.client import HTTPClient
from perpend.types import Sampling

ASKED: dict[str, Any] = {
    "temperature": 0.31,
    "top_p": 0.77,
    "top_k": 37,
    "min_p": 0.051,
    "seed": 4711,
    "stop": ["§§"],
    "presence_penalty": 0.41,
    "frequency_penalty": 0.42,
    "repetition_penalty": 1.17,
    "logit_bias": {"50256": -100.0},
    "logprobs": 3,
    "verbosity": "low",
    "cache_control": {"type": "ephemeral"},
    "prompt_cache_key": "agent-7",
}
EVERYTHING = msgspec.convert(ASKED, Sampling)
SAMPLED = {"temperature": "temperature", "top_p": "top_p"}
PENALTIES = {"presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty"}
OPENAI = {**SAMPLED, **PENALTIES, "seed": "seed", "stop": "stop", "logit_bias": "logit_bias"}
OPENAI["logprobs"] = "top_logprobs"
EXTRAS = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty"}
CLAUDE = {"temperature": "temperature", "top_k": "top_k", "stop": "stop_sequences"}
RAW = {**OPENAI, **EXTRAS, "stop": "", "logprobs": "logprobs"}  # an answer is cut there by us
WORDS: dict[str, dict[str, str]] = {
    "openai_chat": OPENAI,
    "openai_responses": {**SAMPLED, "verbosity": "text.verbosity", "logprobs": "top_logprobs"},
    "anthropic": CLAUDE,
    "anthropic_vertex": CLAUDE,
    "anthropic_bedrock": CLAUDE,
    "gemini": {
        **{"temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed"},
        **{"stop": "stopSequences", "presence_penalty": "presencePenalty"},
        "frequency_penalty": "frequencyPenalty",
    },
    "cohere": OPENAI,
    "dashscope": OPENAI,
    "ollama": {
        **{**SAMPLED, **PENALTIES, "top_k": "top_k", "min_p": "min_p", "seed": "seed", "stop": "stop"},
        "repetition_penalty": "repeat_penalty",
    },
    "llama_completion": {**RAW, "repetition_penalty": "repeat_penalty", "logprobs": "n_probs"},
    "raw_completion": RAW,
}
"""What each wire takes of a model that refuses nothing, at a place that nothing is known of."""
AT = {"gemini": "generationConfig", "dashscope": "parameters", "ollama": "options"}


async def sent(wire: str, family: Family, provider: Provider, **changes: Any) -> dict[str, Any]:
    place = Wire(wire, b"", provider=provider)
    with suppress(UpstreamError):  # the server says nothing
        await place.stream(call(family, sampling=EVERYTHING, phase="answering", **changes))
    return place.asked[0].body


def left_out(wire: str, family: Family, provider: Provider) -> set[str]:
    backend = Wire(wire, b"", provider=provider).backend(HTTPClient())
    return set(backend.left_out(call(family, sampling=EVERYTHING)))


def at(body: dict[str, Any], path: str) -> Any:
    for name in path.split("."):
        body = body.get(name, {})
    return body


@pytest.mark.parametrize("wire", backends.names())
async def test_each_field_arrives_or_is_reported(wire: str) -> None:
    family, provider = family_of("some-model"), Provider(name="here")
    body = await sent(wire, family, provider)
    words, place = WORDS[wire], body.get(AT.get(wire, ""), body)
    for field, word in words.items():
        assert at(place, word) == ASKED[field] if word else field == "stop", field
    assert left_out(wire, family, provider) == ASKED.keys() - words.keys()


@pytest.mark.parametrize("name", [name for name, row in providers().items() if row.wire == "openai_chat"])
async def test_what_a_place_takes_beyond_its_wire_is_in_its_row(name: str) -> None:
    provider, family = providers()[name], family_of("some-model")
    body = await sent("openai_chat", family, provider)
    words = {**OPENAI, **{field: word for field, word in provider.fields.items() if field in ASKED}}
    for field, word in words.items():
        assert not word or body[word] == ASKED[field]
    assert left_out("openai_chat", family, provider) == {f for f in ASKED if not words.get(f)}


@pytest.mark.parametrize(
    ("wire", "model", "fields"),
    [
        ("openai_chat", "o3", {"temperature", "presence_penalty", "logit_bias"}),
        ("openai_chat", "grok-4", {"presence_penalty", "stop"}),
        ("gemini", "gemini-2.5-flash", {"presence_penalty", "frequency_penalty"}),
        ("openai_responses", "gpt-4o", {"verbosity"}),
        ("openai_responses", "gpt-5.1", {"temperature", "top_p"}),
    ],
)
async def test_what_a_model_refuses_is_left_out_and_reported(wire: str, model: str, fields: set[str]) -> None:
    family, provider = family_of(model), Provider(name="here")
    assert fields <= left_out(wire, family, provider)
    body = await sent(wire, family, provider)
    for field in fields:
        assert at(body, WORDS[wire][field]) in ({}, {"format": {}})


async def test_gpt_5_is_told_how_much_to_say() -> None:
    body = await sent("openai_responses", family_of("gpt-5.1"), Provider(name="openai"))
    assert body["text"] == {"verbosity": "low"}


async def test_a_mark_for_the_cache_goes_to_the_vendor_that_has_one() -> None:
    body = await sent("anthropic", family_of("claude-sonnet-4-5"), providers()["anthropic"])
    assert body["cache_control"] == {"type": "ephemeral"}
    body = await sent("openai_responses", family_of("gpt-5.1"), providers()["openai"])
    assert body["prompt_cache_key"] == "agent-7"
