"""API keys, read from the environment or from files when they are used, and hidden where a config is shown."""

import os
import re

from msgspec.structs import replace

from perpend.config.schema import Config, ProviderConfig
from perpend.errors import ConfigError

HIDDEN = "(hidden)"
_SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password|credential|signature", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(bearer|basic|token)\s|\S{20,}", re.IGNORECASE)
"""A scheme of authorization, or a long run of letters, as keys are."""
_USER_INFO = re.compile(r"(?<=//)[^/@]*(?=@)")


def provider_key(name: str, provider: ProviderConfig) -> str | None:
    """The provider's first API key; None where none is configured. Raises ConfigError where it is missing."""
    return provider_keys(name, provider)[0]


def provider_keys(name: str, provider: ProviderConfig) -> tuple[str | None, ...]:
    """All keys of the provider, at least one item. Raises ConfigError for one that is configured but missing."""
    if provider.key_variables:
        return tuple(_variable(name, variable) for variable in provider.key_variables)
    return (_file_key(name, provider),)


def key_origins(provider: ProviderConfig) -> tuple[str, ...]:
    """Where each of `provider_keys` comes from, for people; "" where none is configured."""
    named = provider.key_variables or (provider.api_key_file,)
    return tuple("" if name is None else f"the key in {name}" for name in named)


def _variable(name: str, variable: str) -> str:
    key = os.environ.get(variable)
    if not key:
        raise ConfigError(
            f"providers.{name}.api_key_env: {variable} isn't set",
            hint=f"export {variable}=…, or use api_key_file",
        )
    return key


def _file_key(name: str, provider: ProviderConfig) -> str | None:
    if provider.api_key_file is not None:
        try:
            key = provider.api_key_file.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"providers.{name}.api_key_file: {error}", hint="check the path") from error
        if not key:
            message = f"providers.{name}.api_key_file: {provider.api_key_file} is empty"
            raise ConfigError(message, hint="put the key into it, and nothing else")
        return key
    return None


def redacted(config: Config) -> Config:
    """A copy to show: what may be a secret, in headers and addresses, is hidden."""
    providers = {name: _redacted(provider) for name, provider in config.providers.items()}
    return replace(config, providers=providers)


def _redacted(provider: ProviderConfig) -> ProviderConfig:
    headers = {
        name: HIDDEN if _SECRET_NAME.search(name) or _SECRET_VALUE.search(value) else value
        for name, value in provider.headers.items()
    }
    base_url = provider.base_url and _USER_INFO.sub(HIDDEN, provider.base_url)
    return replace(provider, base_url=base_url, headers=headers)
