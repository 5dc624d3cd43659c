"""How thinking is asked for at each place: the fields that rows of provider and family make."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from replaying import Wire, call
from unsent_client import Listening

from perpend.backends import Upstream, backends
from perpend.backends.body import body_of
from perpend.backends.openai_chat.request import chat_body
from perpend.backends.thinking_params import can_disable, granted, soft_switched, thinking_params_of
from perpend.errors import Rejected
from perpend.families.family import Family, family_named, family_of
from perpend.providers.provider import Knob, Provider, providers
from perpend.transport.client import UpstreamAccount
from perpend.types import AnswerDelta, Effort, Image, Message, Text


def sent(
    provider: str, model: str, tokens: int = 2000, effort: Effort = "high", **more: Any
) -> dict[str, Any]:
    family: Family = more.pop("family", None) or family_of(model)
    asked = replace(call(family, thinking_tokens=tokens, effort=effort if tokens else "none"), model=model)
    row = providers().get(provider) or Provider(name=provider)
    return body_of({}, {}, granted(thinking_params_of(asked, row, **more), asked))


@pytest.mark.parametrize(
    ("provider", "model", "on", "off"),
    [
        (
            "deepseek",
            "deepseek-v4-flash",
            {"thinking": {"type": "enabled"}},
            {"thinking": {"type": "disabled"}},
        ),
        ("zai", "glm-4.7", {"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}}),
        ("mistral", "magistral-medium-latest", {"prompt_mode": "reasoning"}, {}),
        ("mistral", "mistral-small-latest", {"reasoning_effort": "high"}, {"reasoning_effort": "none"}),
        (
            "groq",
            "qwen/qwen3-32b",
            {"reasoning_effort": "default", "reasoning_format": "parsed"},
            {"reasoning_effort": "none"},
        ),
        ("groq", "openai/gpt-oss-120b", {"reasoning_effort": "high"}, {"reasoning_effort": "low"}),
        ("qwen", "qwen3-max", {"enable_thinking": True}, {"enable_thinking": False}),
        (
            "vllm",
            "Qwen/Qwen3-8B",
            {"chat_template_kwargs": {"enable_thinking": True}},
            {"chat_template_kwargs": {"enable_thinking": False}},
        ),
        ("llama-server", "qwen3-8b", {"reasoning_budget_tokens": 2000}, {"reasoning_budget_tokens": 0}),
        (
            "deepseek",
            "deepseek-reasoner",
            {"thinking": {"type": "enabled"}},
            {"thinking": {"type": "disabled"}},
        ),
        (
            "together",
            "Qwen/Qwen3-235B-A22B-fp8-tput",
            {"reasoning": {"enabled": True}},
            {"reasoning": {"enabled": False}},
        ),
        ("together", "Qwen/Qwen3-32B", {"reasoning": {"enabled": True}}, {"reasoning": {"enabled": False}}),
        ("fireworks", "accounts/fireworks/models/qwen3-235b-a22b", {}, {"reasoning_effort": "none"}),
        ("fireworks", "accounts/fireworks/models/deepseek-v3p2", {}, {"reasoning_effort": "none"}),
        ("deepinfra", "Qwen/Qwen3-30B-A3B", {}, {"reasoning_effort": "none"}),
        ("deepinfra", "openai/gpt-oss-120b", {"reasoning_effort": "high"}, {"reasoning_effort": "low"}),
        ("cerebras", "qwen-3-32b", {"reasoning_format": "parsed"}, {"reasoning_format": "parsed"}),
        ("cerebras", "zai-glm-4.7", {}, {"reasoning_effort": "none"}),
        (
            "doubao",
            "doubao-seed-1-6-250615",
            {"thinking": {"type": "enabled"}},
            {"thinking": {"type": "disabled"}},
        ),
        (
            "doubao",
            "doubao-seed-2-1-pro-260915",
            {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
            {"thinking": {"type": "disabled"}},
        ),
        ("hunyuan", "hunyuan-a13b", {"enable_thinking": True}, {"enable_thinking": False}),
        ("mistral", "mistral-large-2411", {"prompt_mode": "reasoning"}, {}),
        ("sglang", "m", {"separate_reasoning": True}, {"separate_reasoning": True}),
    ],
)
def test_each_place_has_its_own_fields(
    provider: str, model: str, on: dict[str, Any], off: dict[str, Any]
) -> None:
    assert sent(provider, model).items() >= on.items()
    assert sent(provider, model, 0).items() >= off.items()


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("together", "deepseek-ai/DeepSeek-R1-0528"),
        ("together", "Qwen/Qwen3-235B-A22B-Thinking-2507"),
        ("together", "Qwen/Qwen3-235B-A22B-Instruct-2507"),
        ("fireworks", "accounts/fireworks/models/deepseek-r1"),
        ("fireworks", "accounts/fireworks/models/qwen3-coder-480b-a35b-instruct"),
        ("deepinfra", "Qwen/QwQ-32B"),
        ("deepinfra", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("deepseek", "deepseek-chat"),
        ("doubao", "doubao-1-5-pro-32k"),
        ("hunyuan", "hunyuan-t1-latest"),
        ("zai", "glm-z1-air"),
    ],
)
def test_what_is_no_hybrid_gets_no_switch(provider: str, model: str) -> None:
    switches = {"thinking", "reasoning", "enable_thinking"}
    for tokens in (0, 2000):
        body = sent(provider, model, tokens)
        assert not switches & set(body)
        assert body.get("reasoning_effort") != "none" or family_of(model).name == "generic"


HYBRID = "Qwen/Qwen3-32B"


@pytest.mark.parametrize("name", [name for name, row in providers().items() if row.wire == "openai_chat"])
def test_none_sends_a_hybrid_a_switch_wherever_it_is(name: str) -> None:
    """A field of the body, or the model's own word in the last user message."""
    provider = providers()[name]
    model = "qwen-3-32b" if name == "cerebras" else HYBRID
    asked = replace(call(family_of(model), thinking_tokens=0), model=model)
    off = chat_body(asked, provider)
    on = chat_body(replace(asked, thinking_tokens=2000), provider)
    fields = {key for key in {*off, *on} if off.get(key) != on.get(key)}
    assert fields, name
    word = asked.messages[-1].text + " /no_think"
    said = fields == {"messages"}
    assert said is not can_disable(provider, asked)
    assert (off["messages"][-1].content == word) is said
    assert on["messages"] == list(asked.messages)


def test_a_models_own_word_is_for_the_last_user_message() -> None:
    asked = replace(
        call(family_of(HYBRID), thinking_tokens=0),
        messages=(
            Message("user", "first"),
            Message("assistant", "answer"),
            Message("user", (Text("look"), Image("AAAA", "image/png"))),
            Message("assistant", "more"),
        ),
    )
    switched = soft_switched(asked, Provider(name="mine")).messages
    assert [message.text for message in switched] == ["first", "answer", "look/no_think", "more"]
    unasked = replace(asked, messages=asked.messages[1:2])
    assert soft_switched(unasked, Provider(name="mine")) is unasked
    for family in ("deepseek-r1", "qwen3-thinking", "generic"):
        other = replace(asked, family=family_named(family))
        assert soft_switched(other, Provider(name="mine")) is other


def test_a_budget_in_tokens_goes_before_an_effort_word() -> None:
    body = sent("openrouter", "anthropic/claude-sonnet-4.5")
    assert body == {"reasoning": {"max_tokens": 2000}}
    assert sent("openrouter", "anthropic/claude-sonnet-4.5", 0) == {"reasoning": {"effort": "none"}}


def test_a_family_without_a_budget_is_sent_none() -> None:
    assert "thinking_token_budget" not in sent("vllm", "Qwen/Qwen3-8B")
    body = sent("vllm", "Qwen/Qwen3-8B", family=family_named("vllm-budget"))
    assert body["thinking_token_budget"] == 2000
    assert sent("vllm", "m", 0, family=family_named("vllm-budget"))["thinking_token_budget"] == 0


def test_without_a_row_the_family_names_the_fields() -> None:
    assert sent("mine", "o3")["reasoning_effort"] == "high"
    assert sent("mine", "o3", effort_field="reasoning.effort") == {"reasoning": {"effort": "high"}}
    assert sent("mine", "o3", 0)["reasoning_effort"] == family_of("o3").effort_word("none")


ASKING = {
    *(
        "reasoning",
        "reasoning_effort",
        "thinking",
        "thinkingConfig",
        "think",
        "enable_thinking",
        "thinking_budget",
    ),
    *("output_config", "prompt_mode", "chat_template_kwargs", "thinking_token_budget", "max_thinking_tokens"),
}
"""Names of what asks a model for thinking, or for none, on any wire."""


class Asked(NamedTuple):
    model: str
    tokens: int
    by_default: bool = False


async def names_sent(provider: Provider, *every: Asked) -> dict[Asked, set[str]]:
    """The names of all fields that are sent for each."""
    http = Listening()

    async def url() -> str:
        return "http://nowhere"

    upstream = Upstream(provider, http, url, UpstreamAccount({"content-type": "application/json"}))
    backend = backends.get(provider.wire)(upstream)
    found: dict[Asked, set[str]] = {}
    for model, tokens, by_default in every:
        effort = "medium" if tokens else "none"
        asked = call(family_of(model), thinking_tokens=tokens, effort=effort, by_default=by_default)
        with suppress(Rejected):
            _ = [batch async for batch in backend.stream(replace(asked, model=model))]
        found[Asked(model, tokens, by_default)] = {*names(http.body)}
    await http.aclose()
    return found


def names(body: dict[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        yield name
        if isinstance(value, dict):
            yield from names(value)  # pyright: ignore[reportUnknownArgumentType] - it's JSON


NO_REASONERS = ("gpt-4o", "qwen2.5-72b-instruct", "claude-3-5-haiku", "grok-3", "qwen3-coder-plus")


@pytest.mark.parametrize("provider", providers().values(), ids=list(providers()))
def test_only_what_reasons_is_asked_to(provider: Provider) -> None:
    """Neither a model that nobody knows, unless somebody names an effort, nor one that is known not to."""
    unknown = [Asked("some-model", tokens, by_default=True) for tokens in (0, 2048)]
    never = [Asked(model, tokens) for model in NO_REASONERS for tokens in (0, 2048)]
    for asked, sent_ in asyncio.run(names_sent(provider, *unknown, *never)).items():
        assert sent_, "it was asked"
        assert not ASKING & sent_, asked


def test_who_names_an_effort_asks_for_it() -> None:
    assert sent("groq", "llama-3.3-70b-versatile", effort="low") == {"reasoning_effort": "low"}
    assert sent("somewhere", "some-model", 0) == {"reasoning_effort": "none"}


def test_a_place_may_know_that_a_model_reasons() -> None:
    asked = replace(
        call(family_named("generic"), thinking_tokens=9, effort="medium", by_default=True), model="m1"
    )
    knob = Knob(field="think", on=True, models=("m1*",))
    asks = thinking_params_of(asked, Provider(name="here", knobs=(knob,)))
    assert body_of({}, {}, granted(asks, asked)) == {"think": True}


def test_what_was_refused_is_not_sent_again() -> None:
    family = family_of("o3")
    for refused, effort, body in [
        ("reasoning_effort", "high", {}),
        ("reasoning_effort=low", "low", {}),
        ("reasoning_effort=low", "high", {"reasoning_effort": "high"}),
    ]:
        asked = call(family, thinking_tokens=9, effort=effort, refused=frozenset((refused,)))
        assert body_of({}, {}, granted(thinking_params_of(asked, Provider(name="here")), asked)) == body


@pytest.mark.parametrize("name", ["huggingface", "nvidia", "lmstudio", "llama-cpp-python", "cerebras"])
async def test_the_empty_thought_of_a_model_that_was_told_not_to_think_is_no_answer(name: str) -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "<think>\n\n</think>\n\n"}}]},
        {"choices": [{"index": 0, "delta": {"content": "42"}, "finish_reason": "stop"}]},
    ]
    body = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
    model = "qwen-3-32b" if name == "cerebras" else "Qwen/Qwen3-32B"
    wire = Wire("openai_chat", body, provider=providers()[name])
    said = await wire.stream(replace(call(family_of(model), thinking_tokens=0), model=model))
    assert "".join(event.text for event in said if isinstance(event, AnswerDelta)) == "42"
    assert wire.asked[-1].body["messages"][-1]["content"].endswith(" /no_think")
