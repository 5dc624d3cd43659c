"""What an answer claims of its budget, plan, usage and cost is what a vendor was sent, and what it sent back.

Real rows of providers and families, a real gateway in front, every dialect; the vendor says recorded bytes.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from scripted import Gateway
from wire_server import Server, fronted

from perpend.config.schema import ModelConfig, PriceConfig, ProviderConfig
from perpend.families.family import family_of
from perpend.types import EFFORTS, Usage

BODIES = Path(__file__).parents[1] / "fixtures" / "matrix"
PRICE = PriceConfig(input=Decimal(2), cached=Decimal("0.5"), output=Decimal(10))
STEERS = (
    *("reasoning_effort", "reasoning", "thinking", "thinking_budget", "enable_thinking", "think"),
    *("thinkingConfig", "effort", "prompt_mode", "thinking_token_budget"),
)
"""Whatever any of these vendors calls what asks for thinking, wherever it stands."""
NOT_ASKING = ("summary", "includeThoughts", "display")
"""What of it asks for the sight of it."""
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict")


class Vendor(NamedTuple):
    provider: str
    model: str
    folder: str


VENDORS = [
    Vendor("openai", "o3", "openai_responses"),
    Vendor("openai", "gpt-5.1", "openai_responses"),
    Vendor("openai", "gpt-4o", "openai_responses"),
    Vendor("azure", "o4-mini", "openai_responses"),
    Vendor("anthropic", "claude-sonnet-4-5", "anthropic"),
    Vendor("anthropic", "claude-opus-4-8", "anthropic"),
    Vendor("anthropic", "claude-3-5-haiku-latest", "anthropic"),
    Vendor("google", "gemini-2.5-flash", "gemini"),
    Vendor("google", "gemini-2.5-pro", "gemini"),
    Vendor("google", "gemini-3-pro-preview", "gemini"),
    Vendor("deepseek", "deepseek-reasoner", "openai_chat"),
    Vendor("deepseek", "deepseek-v4", "openai_chat"),
    Vendor("xai", "grok-4", "openai_chat"),
    Vendor("groq", "openai/gpt-oss-120b", "openai_chat"),
    Vendor("groq", "llama-3.3-70b-versatile", "openai_chat"),
    Vendor("cerebras", "qwen-3-32b", "openai_chat"),
    Vendor("together", "deepseek-ai/DeepSeek-R1", "openai_chat"),
    Vendor("moonshot", "kimi-k2.5", "openai_chat"),
    Vendor("openrouter", "anthropic/claude-sonnet-4.5", "openai_chat"),
    Vendor("dashscope", "qwen-plus", "dashscope"),
    Vendor("cohere", "command-a-reasoning-08-2025", "cohere"),
    Vendor("ollama", "qwen3:8b", "ollama"),
]
ASKED: list[dict[str, Any]] = [
    {},
    *({"reasoning_effort": effort} for effort in EFFORTS),
    *({"max_thinking_tokens": tokens} for tokens in (0, 64, 2048, 100_000)),
    {"reasoning_effort": "none", "max_thinking_tokens": 50},
    {"reasoning_effort": "high", "max_thinking_tokens": 3000},
]
PATHS = {
    "chat": "chat/completions",
    "messages": "messages",
    "responses": "responses",
    "completions": "completions",
}


def request(dialect: str, asked: dict[str, Any], *, stream: bool) -> dict[str, Any]:
    said = "What is 6 × 7?"
    words: dict[str, Any] = {"messages": [{"role": "user", "content": said}]}
    words = {"responses": {"input": said}, "completions": {"prompt": said}}.get(dialect, words)
    limit = {"max_tokens": 200_000} if dialect == "messages" else {}
    return {"model": "m", **words, **limit, **asked, "stream": stream}


async def answered(front: Gateway, dialect: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The body of an answer; streamed, it claims the same."""
    path = f"/v1/{PATHS[dialect]}"
    whole = await front.post(request(dialect, asked, stream=False), path)
    assert whole.status == 200, whole.body
    return whole.json


def steering(value: Any, path: tuple[str, ...] = (), *, within: bool = False) -> Iterator[tuple[str, Any]]:
    """What of a body asks for thinking, leaf by leaf."""
    if isinstance(value, dict):
        for name, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            if name not in ("messages", "input", "contents", "tools", *NOT_ASKING):
                yield from steering(inner, (*path, str(name)), within=within or name in STEERS)  # pyright: ignore[reportUnknownArgumentType]
    elif within:
        yield ".".join(path).removeprefix("parameters."), value


def leaves(sent: dict[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in sent.items():
        *above, last = path.split(".")
        place = nested
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    return dict(steering(nested, within=True))


def limit_of(body: Any) -> int:
    found = [value for name, value in _flat(body) if name in LIMITS]
    return found[0]


def _flat(body: Any) -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value)
        else:
            yield name, value


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: f"{vendor.provider}/{vendor.model}")
async def test_what_is_claimed_is_what_was_sent_and_received(
    vendor: Vendor, dialect: str, tmp_path: Path
) -> None:
    (file,) = (BODIES / vendor.folder).glob("thinking.*")
    server = Server([file.read_bytes()])
    provider = ProviderConfig(like=vendor.provider)
    async with fronted(server, provider, ModelConfig(name=vendor.model, price=PRICE), tmp_path) as front:
        for asked in ASKED:
            server.asked.clear()
            body = await answered(front, dialect, asked)
            (first, *others) = server.asked
            assert not others
            claims(vendor, asked, body["perpend"], first.body)
            costs(vendor, dialect, body)
        whole = await answered(front, dialect, {})
        streamed = await front.post(request(dialect, {}, stream=True), f"/v1/{PATHS[dialect]}")
        (own,) = error_message_in(streamed.body)
        assert own | {"request_id": ""} == whole["perpend"] | {"request_id": ""}


def error_message_in(stream: bytes) -> list[dict[str, Any]]:
    """The accounts in a stream."""
    events = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: {")]
    held = [event.get("response", event) for event in events]
    return [place["perpend"] for place in held if "budget" in (place.get("perpend") or {})]


def claims(vendor: Vendor, asked: dict[str, Any], own: dict[str, Any], sent: Any) -> None:
    budget, plan = own["budget"], own["plan"]
    family = family_of(vendor.model)
    tokens, effort = asked.get("max_thinking_tokens"), asked.get("reasoning_effort")
    assert leaves(budget["sent"]) == dict(steering(sent)), asked
    assert plan["requested_effort"] == effort
    if tokens is not None:
        assert budget["requested_thinking_tokens"] == tokens

    requested, effective = budget["requested_thinking_tokens"], budget["effective_thinking_tokens"]
    assert (budget["lowered_by"] is not None) == (effective < requested), asked
    assert effective < limit_of(sent)
    told = dict(steering(sent))
    told_budget = next((value for value in told.values() if type(value) is int), None)
    if told_budget is not None:
        assert told_budget == family.clamp_budget(effective) or effective == 0
    words = [value for value in told.values() if value in EFFORTS and value != "none"]
    if family.budget == "effort_only" and words:
        assert words == [family.effort_words.get(plan["effort"], plan["effort"])]
        if effort not in (None, plan["effort"]):
            assert f"{effort} goes as {plan['effort']}" in plan["reason"]
    if not any(family.effort.values()):
        assert (plan["effort"], effective, told) == ("none", 0, {})
    assert (plan["effort"] == "none") == (effective == 0), asked
    if (effort == "none" or tokens == 0) and not family.can_disable:
        assert plan["effort"] != "none"
        assert effective > 0


def costs(vendor: Vendor, dialect: str, body: dict[str, Any]) -> None:
    own = body["perpend"]
    usage, told = Usage(**own["usage"]), body["usage"]
    if dialect in ("chat", "completions"):
        details = told["completion_tokens_details"]
        spoken = (told["prompt_tokens"], told["completion_tokens"], details["reasoning_tokens"])
        assert spoken == (usage.input, usage.output, usage.thinking)
    elif dialect == "messages":
        cached = told["cache_read_input_tokens"]
        assert (told["input_tokens"] + cached, told["output_tokens"]) == (usage.input, usage.output)
    else:
        details = told["output_tokens_details"]
        spoken = (told["input_tokens"], told["output_tokens"], details["reasoning_tokens"])
        assert spoken == (usage.input, usage.output, usage.thinking)
    beside = 2 if vendor.provider == "xai" else 0  # thinking that isn't in its output count
    assert (usage.input, usage.output) == (20, 5 + beside)  # as its server says
    assert own["budget"]["thinking_tokens_used"] == usage.thinking
    (candidate,) = own["candidates"]
    assert (candidate["thinking"], candidate["answer_tokens"]) == (usage.thinking, usage.answer)
    per_million = (
        PRICE.input * (usage.input - usage.cached) + Decimal("0.5") * usage.cached + 10 * usage.output
    )
    assert Decimal(str(own["cost_usd"])) == per_million / 1_000_000 == Decimal(str(candidate["cost_usd"]))
