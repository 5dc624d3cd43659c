"""Secrets come from the environment or from files, at the time of use, and go nowhere else."""

import os

from perpend.config.schema import ProviderConfig
from perpend.errors import ConfigError


def provider_key(name: str, provider: ProviderConfig) -> str | None:
    """The provider's API key; None where it needs none. Raises ConfigError when it's named but missing."""
    if provider.api_key_env is not None:
        key = os.environ.get(provider.api_key_env)
        if not key:
            raise ConfigError(
                f"providers.{name}.api_key_env: {provider.api_key_env} isn't set",
                hint=f"export {provider.api_key_env}=…, or use api_key_file",
            )
        return key
    if provider.api_key_file is not None:
        try:
            return provider.api_key_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"providers.{name}.api_key_file: {error}", hint="check the path") from error
    return None
