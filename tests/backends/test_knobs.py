"""How thinking is asked for at each place: the fields that rows of provider and family make."""

from typing import Any

import pytest
from msgspec.structs import replace
from replaying import call

from perpend.backends.families import Family, family_named, family_of
from perpend.backends.knobs import set_knobs
from perpend.backends.providers import Provider, providers
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
