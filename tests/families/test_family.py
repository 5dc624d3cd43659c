"""Families are data: every row is complete enough for its budget semantics."""

import tomllib
from importlib.resources import files

import pytest

from perpend.errors import ConfigError
from perpend.families.family import Family, families, family_named, family_of
from perpend.families.think_tags import ThinkRules
from perpend.types import EFFORTS, Effort

ROWS = {
    name: row
    for file in files("perpend.families").joinpath("rows").iterdir()
    for name, row in tomllib.loads(file.read_text(encoding="utf-8")).items()
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_says_where_its_facts_are_from(name: str) -> None:
    assert len(ROWS[name]["source"]) > 5
    assert ROWS[name]["date"]
    assert "match" in ROWS[name]


@pytest.mark.parametrize("family", families().values(), ids=list(families()))
def test_a_row_is_complete(family: Family) -> None:
    assert set(family.effort) == set(EFFORTS)
    assert family.effort["none"] == 0
    tokens = [family.effort[word] for word in EFFORTS]
    assert tokens == sorted(tokens), "more effort may not mean fewer tokens"
    assert family.answer_tokens >= 64
    if family.budget == "exact":
        assert family.open
        assert family.close
        assert family.wait
    if family.system and family.answer_prefix:
        assert family.answer_prefix.endswith("\n"), "a code block can only begin a line"
    if family.budget == "effort_only":
        assert family.effort_word("medium")
    if family.effort_field:
        assert family.efforts
    if family.budget_max:
        assert family.budget_min < family.budget_max
        assert max(tokens) <= family.budget_max


@pytest.mark.parametrize("family", families().values(), ids=list(families()))
def test_its_markers_can_be_told_apart(family: Family) -> None:
    rules = family.think or ThinkRules()
    markers = [*rules.opens, *rules.closes, *rules.ends, *[mark for pair in rules.wraps for mark in pair]]
    for marker in markers:
        assert not any(other != marker and other.startswith(marker) for other in markers)
    if family.budget == "exact":
        assert family.open in rules.opens or family.open.strip() in rules.opens
        assert family.close.strip() in rules.closes


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("qwen2.5-coder-1.5b", "qwen2.5-coder"),
        ("Qwen/Qwen2.5-Coder-0.5B", "qwen2.5-coder"),
        ("smollm2-135m", "smollm2"),
        ("tiny", "tiny"),
        ("tinyllama-1.1b", "generic"),
        ("something-else", "generic"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss"),
        ("eu.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4.5"),
        ("o1", "o1"),
        ("o1-pro", "o1-pro"),
        ("o3-2025-04-16", "o3"),
        ("o3-mini", "o3-mini"),
        ("o4-mini", "o4-mini"),
        ("o4", "o4"),
        ("gpt-5-mini", "gpt-5"),
        ("gpt-5.4-mini", "gpt-5.2"),
        ("gpt-5.6", "gpt-5.5"),
        ("gpt-4o", "openai-chat"),
        ("openai/gpt-oss-120b", "gpt-oss"),
        ("claude-3-5-sonnet-latest", "claude"),
        ("claude-3-7-sonnet-20250219", "claude-extended"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-extended"),
        ("anthropic/claude-opus-4-6", "claude-4.6"),
        ("anthropic/claude-sonnet-4.5", "claude-extended"),
        ("claude-opus-4-7", "claude-adaptive"),
        ("claude-sonnet-5", "claude-adaptive"),
        ("claude-opus-5-5", "claude-always-on"),
        ("gemini-2.5-pro", "gemini-2.5-pro"),
        ("gemini-2.5-pro-deep-think", "gemini-deep-think"),
        ("gemini-2.5-flash-lite", "gemini-2.5-flash-lite"),
        ("gemini-2.0-flash-thinking-exp", "gemini-2.0-flash-thinking"),
        ("gemini-3-pro-preview", "gemini"),
        ("gemini-3.5-flash", "gemini-3-flash"),
        ("gemini-3.8-flash", "gemini-3.7-flash"),
        ("grok-3", "grok-3"),
        ("grok-3-mini-fast", "grok-3-mini"),
        ("grok-4-0709", "grok-4"),
        ("grok-4.5", "grok-4.5"),
        ("grok-2-1212", "grok-3"),
        ("ft:gpt-4o-2024-08-06:acme::abc", "openai-chat"),
        ("ft:o4-mini-2025-04-16:acme::abc", "o4-mini"),
        ("qwen-qwq-32b", "qwq"),
        ("us.deepseek.r1-v1:0", "deepseek-r1"),
        ("perplexity/r1-1776", "deepseek-r1"),
        ("moonshotai/Kimi-K2-Instruct-0905", "kimi-k2-instruct"),
        ("kimi-k2-0905-preview", "kimi-k2-instruct"),
        ("kimi-k2-thinking-turbo", "kimi-k2-thinking"),
        ("kimi-k2.5", "kimi-k2"),
        ("deepseek-ai/DeepSeek-R1", "deepseek-r1"),
        ("DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf", "deepseek-r1-distill"),
        ("deepseek-r1-0528", "deepseek-r1-0528"),
        ("deepseek-reasoner", "deepseek"),
        ("deepseek-v3.1", "deepseek"),
        ("deepseek-v4-pro", "deepseek-v4"),
        ("Qwen/Qwen3-0.6B", "qwen3"),
        ("qwen3-235b-a22b-thinking-2507", "qwen3-thinking"),
        ("qwen3_5", "qwen3-thinking"),
        ("qwen-plus", "qwen-cloud"),
        ("Qwen/QwQ-32B", "qwq"),
        ("magistral-medium-latest", "magistral"),
        ("mistral-small-latest", "mistral"),
        ("llama-4-reasoning", "llama-4-reasoning"),
        ("s1.1-32b", "s1"),
        ("sky-t1-32b-preview", "sky-t1"),
        ("deephermes-3-llama-3-8b-preview", "deephermes"),
        ("marco-o1", "marco-o1"),
        ("deepseek-chat", "deepseek-chat"),
        ("deepseek/deepseek-chat-v3.1", "deepseek"),
        ("qwen-3-32b", "qwen-3"),
        ("qwen-3-235b-a22b-thinking-2507", "qwen-3-thinking"),
        ("qwen-3-235b-a22b-instruct-2507", "qwen-3-instruct"),
        ("Qwen/QwQ-72B", "qwq"),
        ("THUDM/GLM-Z1-32B-0414", "glm-z1"),
        ("glm-z1-air", "glm-z1"),
        ("mistral-large-2411", "mistral-large-2"),
        ("doubao-seed-1-6-250615", "doubao-seed"),
        ("doubao-seed-1-6-thinking-250615", "doubao-thinking"),
        ("doubao-seed-2-1-pro-260915", "doubao-seed-effort"),
        ("doubao-1-5-thinking-pro-250415", "doubao-thinking"),
        ("doubao-1-5-pro-32k", "doubao-chat"),
        ("hunyuan-t1-latest", "hunyuan-t1"),
        ("hunyuan-2.0-thinking-20251109", "hunyuan-t1"),
        ("hunyuan-2.0-instruct-20251111", "hunyuan-chat"),
        ("hunyuan-turbos-latest", "hunyuan-chat"),
        ("tencent/Hunyuan-4B-Instruct", "hunyuan-dense"),
        ("hy3-preview", "hy3"),
        ("claude-opus-4-0", "claude-extended"),
        ("claude-sonnet-4-0", "claude-extended"),
        ("o3-pro", "o3-pro"),
        ("o1-preview", "o1-preview"),
        ("accounts/fireworks/models/glm-4p6", "glm"),
        ("accounts/fireworks/models/deepseek-r1-0528", "deepseek-r1-0528"),
    ],
)
def test_a_model_finds_its_family(model: str, family: str) -> None:
    assert family_of(model).name == family


@pytest.mark.parametrize(
    ("model", "effort", "word"),
    [
        ("o3", "minimal", "low"),
        ("o3", "max", "high"),
        ("gpt-5.2", "max", "xhigh"),
        ("gpt-5.2", "none", "none"),
        ("grok-3-mini", "medium", "low"),
        ("claude-opus-5", "max", "max"),
        ("gpt-4o", "high", None),
    ],
)
def test_an_effort_becomes_the_servers_word(model: str, effort: Effort, word: str | None) -> None:
    assert family_of(model).effort_word(effort) == word


def test_a_budget_is_brought_within_what_the_server_takes() -> None:
    pro, flash = family_of("gemini-2.5-pro"), family_of("gemini-2.5-flash-lite")
    assert [pro.clamp_budget(tokens) for tokens in (0, 64, 4096, 99_999)] == [128, 128, 4096, 32_768]
    assert [flash.clamp_budget(tokens) for tokens in (0, 64, 99_999)] == [0, 512, 24_576]
    assert family_of("qwen3-8b").clamp_budget(99_999) == 99_999


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'smollm2'"):
        family_named("smolm2")
