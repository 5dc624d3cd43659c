"""The config: its shape, and how it is loaded."""

from perpend.config.load import LoadedConfig, find_file, home_dir, load, load_config
from perpend.config.schema import (
    CacheConfig,
    Config,
    DefaultsConfig,
    DeploymentConfig,
    EngineConfig,
    ModelConfig,
    PriceConfig,
    ProviderConfig,
    ServeConfig,
    StorageConfig,
    VerifierConfig,
)

__all__ = [
    "CacheConfig",
    "Config",
    "DefaultsConfig",
    "DeploymentConfig",
    "EngineConfig",
    "LoadedConfig",
    "ModelConfig",
    "PriceConfig",
    "ProviderConfig",
    "ServeConfig",
    "StorageConfig",
    "VerifierConfig",
    "find_file",
    "home_dir",
    "load",
    "load_config",
]
