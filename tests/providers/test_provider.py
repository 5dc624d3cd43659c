"""The provider rows: what every one has to have, and what a config does to them."""

import datetime
from typing import Any

import pytest

from perpend.backends import backends
from perpend.backends.accounts import account_of, key_header, signer_of
from perpend.config.check import listed_providers
from perpend.config.schema import ProviderConfig
from perpend.errors import ConfigError
from perpend.providers.provider import BUDGET, EFFORT, Provider, matches_any, providers
from perpend.transport.client import HTTPClient
from perpend.transport.sigv4 import SigV4


@pytest.mark.parametrize("row", providers().values(), ids=lambda row: row.name)
def test_a_row_can_be_used_and_says_where_it_is_from(row: Provider) -> None:
    assert row.wire in backends.names()
    assert row.source
    assert row.date > datetime.date(2026, 1, 1)
    local = row.base_url.startswith("http://127.0.0.1:")
    assert local or row.base_url.startswith(("https://", "${"))
    assert not row.base_url.endswith("/")
    for knob in row.knobs:
        assert (knob.on, knob.off) != (None, None)
        marked = [value for value in (knob.on, knob.off) if str(value).startswith("$")]
        assert set(marked) <= {BUDGET, EFFORT}


def test_the_config_knows_their_names() -> None:
    assert listed_providers() == tuple(providers())


def test_globs_are_over_lower_case_names() -> None:
    assert matches_any("Qwen/Qwen3-8B", ("*qwen3*",))
    assert not matches_any("Qwen/QwQ", ("*qwen3*",))


class TestAConfigOverARow:
    def test_goes_before_it_field_by_field(self) -> None:
        own = ProviderConfig(wire="openai_chat", headers={"x-team": "a"}, api_key_env="MINE")
        found = account_of("openai", own)
        assert found is not None
        row, config = found
        assert (row.name, row.wire, row.base_url) == ("openai", "openai_chat", "https://api.openai.com/v1")
        assert (config.api_key_env, config.headers) == ("MINE", {"x-team": "a"})

    def test_takes_the_quirks_of_another_under_a_name_of_its_own(self) -> None:
        found = account_of("gpu", ProviderConfig(like="vllm", base_url="http://gpu:8000/v1/"))
        assert found is not None
        row, _ = found
        assert (row.name, row.base_url) == ("gpu", "http://gpu:8000/v1")
        assert row.knobs == providers()["vllm"].knobs

    def test_does_not_send_the_known_key_to_another_address(self) -> None:
        elsewhere = account_of("openai", ProviderConfig(base_url="http://proxy:1/v1"))
        at_home = account_of("openai", ProviderConfig())
        assert elsewhere is not None
        assert at_home is not None
        assert elsewhere[1].api_key_env is None
        assert at_home[1].api_key_env == "OPENAI_API_KEY"

    def test_names_the_nearest_wire(self) -> None:
        with pytest.raises(ConfigError, match="unknown backend 'openai_caht'") as refused:
            account_of("x", ProviderConfig(base_url="http://x", wire="openai_caht"))
        assert "openai_chat" in str(refused.value.hint)
        assert refused.value.field == "providers.x.wire"

    def test_is_not_needed(self) -> None:
        found = account_of("groq", None)
        assert found is not None
        assert found[1].api_key_env == "GROQ_API_KEY"
        assert account_of("nowhere", None) is None

    def test_fills_an_address_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
        found = account_of("azure", None)
        assert found is not None
        assert found[0].base_url == "https://mine.openai.azure.com/openai/v1"
        monkeypatch.delenv("AZURE_OPENAI_ENDPOINT")
        with pytest.raises(ConfigError, match="AZURE_OPENAI_ENDPOINT isn't set"):
            account_of("azure", None)


class TestCredentialsInPlaceOfAKey:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)

    def told(self, name: str, **fields: Any) -> tuple[Any, str, str]:
        found = account_of(name, ProviderConfig(**fields))
        assert found is not None
        row, config = found
        return config.api_key_env, row.auth, row.base_url

    def test_are_used_where_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        home = "https://bedrock-runtime.eu-west-1.amazonaws.com"
        assert self.told("bedrock-anthropic") == (None, "sigv4", home)
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key")
        assert self.told("bedrock-anthropic") == ("AWS_BEARER_TOKEN_BEDROCK", "sigv4", home)
        assert self.told("bedrock-anthropic", auth="sigv4") == (None, "sigv4", home)
        assert self.told("bedrock-anthropic", api_key_env="MINE") == ("MINE", "sigv4", home)

    def test_go_to_another_address_only_when_they_are_asked_for(self) -> None:
        elsewhere = {"like": "bedrock-anthropic", "base_url": "http://proxy:1"}
        assert self.told("x", **elsewhere) == (None, "bearer", "http://proxy:1")
        assert self.told("x", **elsewhere, auth="sigv4") == (None, "sigv4", "http://proxy:1")

    def test_make_a_signer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        http = HTTPClient()
        assert isinstance(signer_of(providers()["bedrock"], http), SigV4)
        assert signer_of(providers()["openai"], http) is None
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        with pytest.raises(ConfigError, match="no credentials of AWS"):
            signer_of(providers()["bedrock"], http)


def test_a_key_goes_into_the_header_of_its_place() -> None:
    assert key_header("sigv4", "k") == {"authorization": "Bearer k"}
    assert key_header("bearer", "k") == {"authorization": "Bearer k"}
    assert key_header("api-key", "k") == {"api-key": "k"}
