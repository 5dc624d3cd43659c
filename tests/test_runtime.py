"""The composition root: every model that can be named is served, and a wrong name is answered."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from perpend.config import Config, DefaultsConfig, ModelConfig, ProviderConfig
from perpend.engine.catalogue import catalogue
from perpend.errors import NotFound
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
        assert served.backend.continues == (served.provider == "embedded")
        assert set(served.effort_tokens) == set(served.family.effort)


@pytest.mark.parametrize(("name", "said"), [("fsat", "did you mean 'fast'"), ("lost", "providers.nowhere")])
async def test_a_model_that_is_not_there_is_told(config: Config, name: str, said: str) -> None:
    async with await Runtime.open(config) as runtime:
        with pytest.raises(NotFound) as refused:
            runtime.models.resolve(name)
        assert said in str(refused.value)


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
