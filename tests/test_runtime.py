"""The composition root: every model that can be named is served, and a wrong name is answered."""

import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from perpend.config import (
    Config,
    DefaultsConfig,
    DeploymentConfig,
    EngineConfig,
    ModelConfig,
    PriceConfig,
    ProviderConfig,
    ServeConfig,
    VerifierConfig,
)
from perpend.engine.catalogue import catalogue
from perpend.errors import BadRequest, ConfigError, NotFound, VerifierFailed
from perpend.runtime import Runtime, Verifiers
from perpend.types import Candidate, Event, Limits, Message, Request, ThinkingDelta, VerifierSpec
from perpend.verifiers import Task


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    return Config(
        providers={"mine": ProviderConfig(base_url="http://127.0.0.1:1/v1")},
        models={"fast": ModelConfig(provider="mine"), "lost": ModelConfig(provider="nowhere")},
    )


@pytest.mark.parametrize("name", [*catalogue(), "fast", "mine/any", "some/file.gguf", None])
async def test_a_model_is_served(config: Config, name: str | None) -> None:
    async with await Runtime.open(config) as runtime:
        served = runtime.models.resolve(name)
        assert served.backend.continues == (served.provider == "embedded")
        assert set(served.effort_tokens) == set(served.family.effort)


async def test_a_known_provider_needs_a_key_and_no_config(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Runtime.open(config) as runtime:
        monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
        with pytest.raises(ConfigError, match="DEEPSEEK_API_KEY isn't set"):
            runtime.models.resolve("deepseek/deepseek-v4-flash")
        monkeypatch.setenv("DEEPSEEK_API_KEY", "secret")
        served = runtime.models.resolve("deepseek/deepseek-v4-flash")
        assert (served.provider, served.upstream_name) == ("deepseek", "deepseek-v4-flash")
        assert served.family.name == "deepseek-v4"
        assert runtime.models.resolve("vllm/Qwen/Qwen3-8B").upstream_name == "Qwen/Qwen3-8B"


async def test_a_wire_that_is_not_there_is_told_at_the_start(config: Config) -> None:
    wrong = ProviderConfig(base_url="http://127.0.0.1:1", wire="opnai_chat")
    with pytest.raises(ConfigError, match=r"providers\.bad\.wire: unknown backend") as refused:
        await Runtime.open(replace(config, providers={"bad": wrong}))
    assert "did you mean 'openai_chat'" in str(refused.value)


@pytest.mark.parametrize(("name", "said"), [("fsat", "did you mean 'fast'"), ("lost", "providers.nowhere")])
async def test_a_model_that_is_not_there_is_told(config: Config, name: str, said: str) -> None:
    async with await Runtime.open(config) as runtime:
        with pytest.raises(NotFound) as refused:
            runtime.models.resolve(name)
        assert said in str(refused.value)


async def test_models_that_only_requests_name_are_forgotten_in_time(config: Config) -> None:
    async with await Runtime.open(config) as runtime:
        models = runtime.models
        kept, gone = models.resolve("fast"), models.resolve("mine/first")
        used = models.resolve("mine/often")
        for number in range(300):
            models.resolve(f"mine/{number}")
            assert models.resolve("mine/often") is used
        assert models.resolve("fast") is kept
        assert len(models.places()) <= 257
        assert models.resolve("mine/first") is not gone


async def test_a_row_of_the_config_may_change_what_the_catalogue_says(config: Config) -> None:
    priced = ModelConfig(price=PriceConfig(output=Decimal(2)), context=2048)
    mine = ModelConfig(name="smollm2-135m")
    config = replace(config, models={"qwen2.5-coder-0.5b": priced, "mine": mine, "none": ModelConfig()})
    async with await Runtime.open(config) as runtime:
        served = runtime.models.resolve("qwen2.5-coder-0.5b")
        assert (served.family.name, served.context) == ("qwen2.5-coder", 2048)
        assert served.price.per_output_token == Decimal("0.000002")
        assert runtime.models.path("qwen2.5-coder-0.5b").name.startswith("qwen2.5-coder-0.5b-instruct")
        assert runtime.models.resolve("mine").family.name == "smollm2"
        assert runtime.models.path("mine").name.startswith("SmolLM2".lower())
        with pytest.raises(NotFound, match="names no weights"):
            runtime.models.resolve("none")


async def test_summaries_are_written_by_the_cheap_tier_or_where_it_is_missing_by_the_model_itself(
    config: Config,
) -> None:
    async with await Runtime.open(config) as runtime:
        beside = runtime.models.resolve("fast")
        assert runtime.models.cheap(beside) is beside  # its weights were never pulled here
    config = replace(config, defaults=DefaultsConfig(cheap_model="mine/small"))
    async with await Runtime.open(config) as runtime:
        assert runtime.models.cheap(runtime.models.resolve("fast")).name == "mine/small"


async def test_a_hosted_model_that_nobody_priced_is_not_taken_for_free(config: Config) -> None:
    async with await Runtime.open(config) as runtime:
        assert not runtime.models.resolve("mine/any").price.known
        assert runtime.models.resolve("mine/gpt-4o").price.known
        assert runtime.models.resolve("some/file.gguf").price.known


async def test_places_and_keys_of_a_model_are_its_deployments(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_1", "one")
    monkeypatch.setenv("KEY_2", "two")
    pooled = ProviderConfig(base_url="http://127.0.0.1:1/v1", api_key_env=("KEY_1", "KEY_2"))
    places = (
        DeploymentConfig(provider="pooled", name="gpt-4o", weight=2),
        DeploymentConfig(provider="mine", name="gpt-4o-mini"),
    )
    model = ModelConfig(deployments=places, fallbacks=("fast",))
    config = replace(
        config, providers={**config.providers, "pooled": pooled}, models={**config.models, "m": model}
    )
    async with await Runtime.open(config) as runtime:
        served = runtime.models.resolve("m")
        assert (served.provider, served.upstream_name) == ("pooled", "gpt-4o")
        names = [place.name for place in runtime.models.places()["m"]]
        assert names == ["pooled/gpt-4o", "pooled/gpt-4o#2", "mine/gpt-4o-mini"]
        assert served.fallbacks == ("m", "fast")
        assert served.price_at("mine").per_output_token < served.price_at("pooled").per_output_token
        assert served.price.per_output_token == served.price_at("pooled").per_output_token
        assert runtime.models.resolve("fast").fallbacks == ()


async def test_a_fallback_that_is_not_there_is_told_at_once(config: Config) -> None:
    broken = ModelConfig(provider="mine", fallbacks=("fsat",))
    config = replace(config, models={**config.models, "m": broken})
    async with await Runtime.open(config) as runtime:
        with pytest.raises(NotFound, match="unknown model 'fsat'"):
            runtime.models.resolve("m")


async def test_an_engine_killed_in_the_middle_is_answered_from_and_the_next_request_works(
    smollm_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    small = ModelConfig(gguf=smollm_path, family="smollm2")
    config = Config(models={"small": small}, engine=EngineConfig(slots=1, context=1024))
    question = Request(
        messages=(Message("user", "Tell me about the sea."),),
        model="small",
        limits=Limits(max_thinking_tokens=200, max_output_tokens=220),
    )
    async with await Runtime.open(config) as runtime:
        await runtime.prepare("small")
        pid = runtime.engines.get("small", smollm_path, 1024).pid

        async def kill_when_it_thinks(batch: list[Event]) -> None:
            nonlocal pid
            if pid is not None and isinstance(batch[0], ThinkingDelta):
                os.kill(pid, signal.SIGKILL)
                pid = None

        answer = await runtime.solve(question, kill_when_it_thinks)
        assert (answer.truncated, answer.stop_reason) == (True, "upstream_error")
        assert answer.thinking
        assert answer.text
        again = await runtime.solve(question)
        assert again.stop_reason != "upstream_error"
        assert again.text


async def test_verifiers_of_ones_own_go_before_others(tmp_path: Path) -> None:
    own = {
        "polite": VerifierConfig(command=("true",)),
        "math": VerifierConfig(command=("false",), needs_gold=True),
        "near": VerifierConfig(url="http://127.0.0.1:1/"),
    }
    verifiers = Verifiers(Config(home=tmp_path, verifiers=own))
    polite = verifiers.get(VerifierSpec("polite"))
    assert (await polite.verify(Task(), Candidate(answer="x"))).passed
    assert verifiers.get(VerifierSpec("polite")) is polite
    assert not (await verifiers.get(VerifierSpec("math")).verify(Task(), Candidate(answer="x"))).passed
    assert verifiers.get(VerifierSpec("math")).needs_gold
    with pytest.raises(VerifierFailed, match="'near' can't be asked"):
        await verifiers.get(VerifierSpec("near")).verify(Task(), Candidate(answer="x"))
    with pytest.raises(BadRequest, match="takes no options"):
        verifiers.get(VerifierSpec("polite", options={"rubric": "x"}))
    await verifiers.aclose()


@pytest.mark.parametrize("allowed", [False, True])
async def test_clients_may_name_private_verifiers_where_the_config_says_so(allowed: bool) -> None:
    verifiers = Verifiers(Config(serve=ServeConfig(private_addresses=allowed)))
    spec = VerifierSpec("http", options={"url": "http://127.0.0.1:1/"})
    with pytest.raises(VerifierFailed if allowed else BadRequest):
        await verifiers.get(spec).verify(Task(), Candidate(answer="x"))
    await verifiers.aclose()
