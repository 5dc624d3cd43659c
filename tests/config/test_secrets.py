"""A provider's key: from the environment or a file, and said to be missing before it is used."""

from pathlib import Path

import pytest

from perpend.config import ProviderConfig
from perpend.config.secrets import provider_key, provider_keys
from perpend.errors import ConfigError

URL = "http://127.0.0.1:1"


def test_none_is_needed() -> None:
    assert provider_key("p", ProviderConfig(base_url=URL)) is None


def test_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = ProviderConfig(base_url=URL, api_key_env="SOME_KEY")
    monkeypatch.setenv("SOME_KEY", "s3cret")
    assert provider_key("p", provider) == "s3cret"
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(ConfigError, match=r"providers\.p\.api_key_env: SOME_KEY isn't set"):
        provider_key("p", provider)


def test_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    provider = ProviderConfig(base_url=URL, api_key_file=file)
    with pytest.raises(ConfigError, match="api_key_file"):
        provider_key("p", provider)
    file.write_text("s3cret\n")
    assert provider_key("p", provider) == "s3cret"
    file.write_bytes(b"\xef\xbb\xbfs3cret\r\n")
    assert provider_key("p", provider) == "s3cret"
    file.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        provider_key("p", provider)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="api_key_file"):
        provider_key("p", provider)


def test_several_variables_are_a_pool_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_1", "one")
    monkeypatch.setenv("KEY_2", "two")
    provider = ProviderConfig(base_url=URL, api_key_env=("KEY_1", "KEY_2"))
    assert provider_keys("p", provider) == ("one", "two")
    assert provider_key("p", provider) == "one"
    monkeypatch.delenv("KEY_2")
    with pytest.raises(ConfigError, match="KEY_2 isn't set"):
        provider_keys("p", provider)
