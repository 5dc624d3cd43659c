"""Two requests have one key where nothing that an answer depends on differs, and never where the tenant does."""

from dataclasses import replace as altered
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from spine import Spine, request
from words import WordBackend

from perpend.config.schema import CacheConfig, Config, DefaultsConfig, ModelConfig, ProviderConfig
from perpend.serving.cache.key import config_key, request_key
from perpend.solve import Prepared, ServedModel, prepare
from perpend.types import (
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Part,
    ProviderState,
    Request,
    Sampling,
    StrategySpec,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    VerifierSpec,
)

CONFIG = config_key(Config())
SPINE = Spine(WordBackend(thought=3, reply=2))

words = st.text('ab\0"[{,', max_size=3)
states = st.none() | st.builds(ProviderState, words, words)
parts = st.one_of(
    st.builds(Text, words, states),
    st.builds(Image, words, st.none() | words),
    st.builds(Thought, words, states),
    st.builds(ToolUse, words, words, words),
    st.builds(ToolResult, words, words),
)
contents = words | st.lists(parts, max_size=3).map(tuple[Part, ...])
messages = st.lists(
    st.builds(Message, st.sampled_from(["user", "assistant"]), contents), min_size=1, max_size=3
)
tenants = st.none() | words


async def prepared(asked: Request, spine: Spine = SPINE) -> Prepared:
    return await prepare(asked, spine.services)


async def key_of(asked: Request, key_id: str | None = None, config: bytes = CONFIG) -> bytes:
    return request_key(await prepared(asked), key_id, config)


DIFFERENT: dict[str, dict[str, Any]] = {
    "prompt": {"messages": (Message("user", "another"),)},
    "order": {"messages": (Message("user", "two"), Message("user", "what is two and two"))},
    "system": {"messages": (Message("system", "Be short."), Message("user", "what is two and two"))},
    "thinking": {"max_thinking_tokens": 33},
    "effort": {"effort": "low"},
    "output": {"max_output_tokens": 77},
    "dollars": {"max_cost_usd": Decimal("0.5")},
    "temperature": {"sampling": Sampling(temperature=0.5)},
    "cold": {"sampling": Sampling(temperature=0.0)},
    "seed": {"sampling": Sampling(seed=1)},
    "stop": {"sampling": Sampling(stop=("w1",))},
    "logprobs": {"sampling": Sampling(logprobs=2)},
    "tools": {"output_spec": OutputSpec(tools=(Tool(name="add"),))},
    "tools told otherwise": {"output_spec": OutputSpec(tools=(Tool(name="add", description="Adds."),))},
    "large": {"output_spec": OutputSpec(tools=(Tool(name="add", parameters={"maximum": 10**30}),))},
    "larger": {"output_spec": OutputSpec(tools=(Tool(name="add", parameters={"maximum": 10**30 + 1}),))},
    "format": {"output_spec": OutputSpec(output=OutputFormat())},
    "strategy": {"strategy": StrategySpec("self_consistency")},
    "options": {"strategy": StrategySpec("self_consistency", {"n": 3})},
    "verifier": {"verifier": VerifierSpec("exact", "4")},
    "gold": {"verifier": VerifierSpec("exact", "5")},
    "of a vendor": {"provider_options": {"openai": {"service_tier": "flex"}}},
    "visibility": {"visibility": "hidden"},
    "usual": {},
}


async def test_whatever_an_answer_depends_on_makes_another_key() -> None:
    keys = {name: await key_of(request(**fields)) for name, fields in DIFFERENT.items()}
    for one, other in combinations(keys, 2):
        assert keys[one] != keys[other], f"{one} and {other}"


@pytest.mark.parametrize(
    "fields",
    [
        {"deadline_ms": 60_000},
        {"progress": True},
        {"auto_truncate": True},
        {"ignored": ("client_metadata",)},
        {"cache": True},
        {"model": "m"},
        {"sampling": Sampling(prompt_cache_key="mine", cache_control={"type": "ephemeral"})},
    ],
)
async def test_what_an_answer_doesnt_depend_on_makes_none(fields: dict[str, Any]) -> None:
    assert await key_of(request(**fields)) == await key_of(request())


@given(messages, tenants, messages, tenants)
async def test_no_two_requests_and_no_two_tenants_share_a_key(
    one: list[Message], tenant: str | None, other: list[Message], of_another: str | None
) -> None:
    keys = [
        await key_of(request(messages=tuple(said)), key_id)
        for said, key_id in ((one, tenant), (other, of_another))
    ]
    assert (keys[0] == keys[1]) == ((one, tenant) == (other, of_another))


@pytest.mark.parametrize(
    "change",
    [
        {"upstream_name": "m-2"},
        {"provider": "elsewhere"},
        {"weights_version": lambda: "written anew"},
        {"answer_tokens": 99},
        {"effort_tokens": {**SPINE.model.effort_tokens, "medium": 55}},
    ],
)
async def test_a_model_that_was_changed_is_another_one(change: dict[str, Any]) -> None:
    asked = await prepared(request())
    other = Spine(WordBackend(thought=3, reply=2))
    other.model = changed = altered(other.model, **change)
    assert isinstance(changed, ServedModel)

    def resolve(name: str | None) -> ServedModel:
        return changed

    services = altered(other.services, resolve=resolve)
    again = await prepare(request(), services)
    assert request_key(asked, None, CONFIG) != request_key(again, None, CONFIG)


@pytest.mark.parametrize(
    "change",
    [
        {"models": {"m": ModelConfig(provider="p", name="new")}},
        {"providers": {"p": ProviderConfig(base_url="http://127.0.0.1:1/v1")}},
        {"aliases": {"gpt-*": "m"}},
        {"defaults": DefaultsConfig(effort="high")},
    ],
)
async def test_a_config_that_says_something_else_of_models_is_another_one(change: dict[str, Any]) -> None:
    other = config_key(replace(Config(), **change))
    assert await key_of(request(), config=other) != await key_of(request())
    assert config_key(replace(Config(), cache=CacheConfig(ttl_s=5))) == CONFIG
