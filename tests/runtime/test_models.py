"""Every model that can be named is served, and a wrong name is answered."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from perpend.accounting.curves import Curve, CurvePoint, CurveSource, curve_path, data_hash, install
from perpend.config import (
    Config,
    DefaultsConfig,
    DeploymentConfig,
    ModelConfig,
    PriceConfig,
    ProviderConfig,
)
from perpend.engine.catalogue import catalogue, find
from perpend.errors import ConfigError, NotFound
from perpend.runtime import Runtime


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
        assert served.backend.supports_prefix == (served.provider == "embedded")
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


@pytest.mark.parametrize("name", ["VLLM/Qwen/Qwen3-8B", "vLLM/Qwen/Qwen3-8B", "MINE/x", "Mine/x"])
async def test_a_provider_is_named_in_any_case(config: Config, name: str) -> None:
    async with await Runtime.open(config) as runtime:
        served = runtime.models.resolve(name)
        prefix, _, upstream = name.partition("/")
        assert (served.provider, served.upstream_name) == (prefix.lower(), upstream)
        assert served.name == f"{prefix.lower()}/{upstream}"
        assert runtime.models.resolve(served.name) is served


async def test_of_two_that_differ_in_case_the_one_that_was_named_is_meant(config: Config) -> None:
    own = {**config.providers, "VLLM": ProviderConfig(base_url="http://127.0.0.1:1/v1")}
    async with await Runtime.open(replace(config, providers=own)) as runtime:
        assert [runtime.models.resolve(f"{name}/x").provider for name in ("VLLM", "vllm")] == ["VLLM", "vllm"]


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


ALIASES = {
    "claude-*": "fast",
    "claude-haiku-*": "mine/small",
    "claude-opus-4-1[1m]": "mine/big",
    "fast": "lost",
}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("claude-sonnet-4-5-20250929", "fast"),
        ("claude-haiku-4-5", "mine/small"),
        ("claude-opus-4-1[1m]", "mine/big"),
        ("fast", "fast"),
    ],
)
async def test_an_alias_is_another_name_for_a_model(config: Config, asked: str, meant: str) -> None:
    async with await Runtime.open(replace(config, aliases=ALIASES)) as runtime:
        served = runtime.models.resolve(asked)
        assert served.name == meant
        assert runtime.models.resolve(meant) is served


async def test_an_alias_for_nothing_is_told_at_the_start(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"aliases\.gpt-\*: unknown model 'fsat'") as refused:
        await Runtime.open(replace(config, aliases={"gpt-*": "fsat"}))
    assert "did you mean 'fast'" in str(refused.value)


async def test_models_that_only_requests_name_are_forgotten_in_time(config: Config) -> None:
    async with await Runtime.open(config) as runtime:
        models = runtime.models
        kept, gone = models.resolve("fast"), models.resolve("mine/first")
        used = models.resolve("mine/often")
        for number in range(300):
            models.resolve(f"{'mine' if number % 2 else 'MINE'}/{number}")
            assert models.resolve("mine/often") is used
        assert models.resolve("fast") is kept
        assert len(models.deployments()) <= 257
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
        assert not runtime.models.resolve("mine/gpt-4o").price.known, "what OpenAI asks is no host's price"
        assert runtime.models.resolve("some/file.gguf").price.known


async def test_a_file_of_the_hub_is_served_from_where_it_was_pulled_to(
    config: Config, tmp_path: Path
) -> None:
    name = "hf:someone/R-GGUF/DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf"
    async with await Runtime.open(config) as runtime:
        assert name not in runtime.models.names()
        served = runtime.models.resolve(name)
        assert (served.provider, served.family.name) == ("embedded", "deepseek-r1-distill")
        path = runtime.models.path(name)
        assert path == tmp_path / "weights/hf/someone/R-GGUF/DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(find("tiny").path(tmp_path).read_bytes())
        assert name in runtime.models.names()


async def test_what_the_hub_alone_has_is_offered_once_it_is_here(config: Config, tmp_path: Path) -> None:
    config = replace(config, aliases={"qwen3-*": "fast"})
    async with await Runtime.open(config) as runtime:
        assert "qwen3-8b" not in runtime.models.names()
        assert runtime.models.resolve("qwen3-8b").name == "fast", "an alias goes before what isn't here"
        weights = find("qwen3-4b").path(tmp_path)
        weights.parent.mkdir(exist_ok=True)
        weights.write_bytes(b"GGUF")
        assert "qwen3-4b" in runtime.models.names()
        assert runtime.models.resolve("qwen3-4b").provider == "embedded"


async def test_an_account_at_a_known_place_has_that_places_prices_whatever_it_is_called(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "secret")
    second = ProviderConfig(like="openai", api_key_env="KEY")
    proxy = replace(second, base_url="http://127.0.0.1:1/v1")
    native = ProviderConfig(like="dashscope", api_key_env="KEY")
    config = replace(config, providers={"second": second, "proxy": proxy, "native": native})
    async with await Runtime.open(config) as runtime:
        known = {name: runtime.models.resolve(name).price.known for name in ("second/gpt-4o", "proxy/gpt-4o")}
        assert known == {"second/gpt-4o": True, "proxy/gpt-4o": False}
        assert runtime.models.resolve("native/qwen-plus").price.known


async def test_places_and_keys_of_a_model_are_its_deployments(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_1", "one")
    monkeypatch.setenv("KEY_2", "two")
    pooled = ProviderConfig(like="openai", api_key_env=("KEY_1", "KEY_2"))
    mine = ProviderConfig(like="openai", api_key_env="KEY_1")
    places = (
        DeploymentConfig(provider="pooled", name="gpt-4o", weight=2),
        DeploymentConfig(provider="mine", name="gpt-4o-mini"),
    )
    model = ModelConfig(deployments=places, fallbacks=("fast",))
    config = replace(
        config,
        providers={**config.providers, "pooled": pooled, "mine": mine},
        models={**config.models, "m": model},
    )
    async with await Runtime.open(config) as runtime:
        served = runtime.models.resolve("m")
        assert (served.provider, served.upstream_name) == ("pooled", "gpt-4o")
        names = [place.name for place in runtime.models.deployments()["m"]]
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


async def test_an_installed_curve_is_the_models(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points = CurvePoint(budget=0, right=(1, 0)), CurvePoint(budget=64, right=(1, 1))
    source = CurveSource(
        suite="s", fingerprint="f", seeds=(0,), measured="2026-11-28", model_versions=(), runs=()
    )
    curve = Curve(model="fast", source=source, points=points, data=data_hash(points))
    install(tmp_path, curve)
    curve_path(tmp_path, "mine/any").write_text("{")
    async with await Runtime.open(config) as runtime:
        assert runtime.models.resolve("fast").curve == curve
        assert runtime.models.resolve("tiny").curve is None
        assert not caplog.records
        assert runtime.models.resolve("mine/any").curve is None, "it is served all the same"
    (record,) = caplog.records
    assert "mine_any.json can't be read" in record.message
    assert "perpend eval curve RUN… --install" in record.message


async def test_a_cheaper_model_is_named_and_has_to_be_there(config: Config) -> None:
    named = ModelConfig(provider="mine", cheaper="fast")
    broken = ModelConfig(provider="mine", cheaper="fsat")
    config = replace(config, models={**config.models, "m": named, "n": broken})
    async with await Runtime.open(config) as runtime:
        assert runtime.models.resolve("m").cheaper == "fast"
        assert runtime.models.resolve("fast").cheaper is None
        with pytest.raises(NotFound, match="unknown model 'fsat'"):
            runtime.models.resolve("n")


async def test_a_model_takes_as_many_calls_as_its_places_together(config: Config) -> None:
    known = ProviderConfig(base_url="http://127.0.0.1:1/v1", slots=3)
    places = (DeploymentConfig(provider="known"), DeploymentConfig(provider="known", name="n"))
    config = replace(
        config,
        providers={**config.providers, "known": known},
        models={**config.models, "m": ModelConfig(deployments=places)},
    )
    async with await Runtime.open(config) as runtime:
        assert runtime.models.resolve("m").capacity() == 6
        assert runtime.models.resolve("fast").capacity() is None
        places_now = runtime.models.deployments()["m"]
        for _ in range(5):
            places_now[0].breaker.failed()
        assert runtime.models.resolve("m").capacity() == 3, "one that fails isn't asked"
