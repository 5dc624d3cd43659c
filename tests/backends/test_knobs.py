"""How thinking is asked for at each place: the fields that rows of provider and family make."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace
from replaying import Wire, call

from perpend.backends.families import Family, family_named, family_of
from perpend.backends.knobs import set_knobs
from perpend.backends.providers import Knob, Provider, providers
from perpend.errors import UpstreamError
from perpend.types import Effort


def sent(
    provider: str, model: str, tokens: int = 2000, effort: Effort = "high", **more: Any
) -> dict[str, Any]:
    family: Family = more.pop("family", None) or family_of(model)
    body: dict[str, Any] = {}
    asked = replace(call(family, thinking_tokens=tokens, effort=effort if tokens else "none"), model=model)
    set_knobs(body, asked, providers().get(provider) or Provider(name=provider), **more)
    return body


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
        ("sglang", "m", {"separate_reasoning": True}, {"separate_reasoning": True}),
    ],
)
def test_each_place_has_its_own_fields(
    provider: str, model: str, on: dict[str, Any], off: dict[str, Any]
) -> None:
    assert sent(provider, model).items() >= on.items()
    assert sent(provider, model, 0).items() >= off.items()


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


async def body_of(provider: Provider, model: str, **changes: Any) -> dict[str, Any]:
    place = Wire(provider.wire, b"", provider=provider)
    with suppress(UpstreamError):  # the server says nothing
        await place.stream(replace(call(family_of(model), **changes), model=model))
    return place.asked[0].body


def names(body: dict[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        yield name
        if isinstance(value, dict):
            yield from names(value)  # pyright: ignore[reportUnknownArgumentType] - it's JSON


@pytest.mark.parametrize("provider", providers().values(), ids=list(providers()))
@pytest.mark.parametrize("tokens", [0, 2048])
async def test_a_model_that_nobody_knows_is_not_asked_to_reason(provider: Provider, tokens: int) -> None:
    effort = "medium" if tokens else "none"
    body = await body_of(provider, "some-model", by_default=True, effort=effort, thinking_tokens=tokens)
    assert not ASKING & {*names(body)}


@pytest.mark.parametrize("provider", providers().values(), ids=list(providers()))
@pytest.mark.parametrize(
    "model", ["gpt-4o", "qwen2.5-72b-instruct", "claude-3-5-haiku", "grok-3", "qwen3-coder-plus"]
)
async def test_a_model_that_does_not_reason_is_never_asked_to(provider: Provider, model: str) -> None:
    for tokens in (0, 2048):
        body = await body_of(provider, model, effort="high" if tokens else "none", thinking_tokens=tokens)
        assert not ASKING & {*names(body)}


def test_who_names_an_effort_asks_for_it() -> None:
    assert sent("groq", "llama-3.3-70b-versatile", effort="low") == {"reasoning_effort": "low"}
    assert sent("somewhere", "some-model", 0) == {"reasoning_effort": "none"}


def test_a_place_may_know_that_a_model_reasons() -> None:
    asked = replace(
        call(family_named("generic"), thinking_tokens=9, effort="medium", by_default=True), model="m1"
    )
    body: dict[str, Any] = {}
    knob = Knob(field="think", on=True, models=("m1*",))
    set_knobs(body, asked, Provider(name="here", knobs=(knob,)))
    assert body == {"think": True}


def test_what_was_refused_is_not_sent_again() -> None:
    family = family_of("o3")
    for refused, effort, body in [
        ("reasoning_effort", "high", {}),
        ("reasoning_effort=low", "low", {}),
        ("reasoning_effort=low", "high", {"reasoning_effort": "high"}),
    ]:
        asked = call(family, thinking_tokens=9, effort=effort, refused=frozenset((refused,)))
        sent_: dict[str, Any] = {}
        set_knobs(sent_, asked, Provider(name="here"))
        assert sent_ == body
