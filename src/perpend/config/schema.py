"""The shape of `perpend.toml`. Every field has a default: an empty file is a working config."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field
from msgspec.structs import replace

from perpend.config.limits import LimitsConfig
from perpend.config.section import NonNegative, Positive, Section
from perpend.types import Effort, ServiceClass, Visibility

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Weight = Annotated[float, Meta(gt=0, le=1e9)]
Share = Annotated[float, Meta(gt=0, le=1)]
Days = Annotated[float, Meta(gt=0, le=36_500)]
Money = Decimal
_MAX_PRICE_USD = 1_000_000
Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key", "sigv4", "google"]
"""The header that carries the key; `sigv4` and `google`: no key, but credentials of AWS or Google Cloud."""
MOST_WORKERS = 31
"""As many as there are processes that can share the counters of limits, less one for a command beside them."""
EMBEDDED = "embedded"
"""The provider that stands for the engines that Perpend runs itself."""


class EngineConfig(Section, frozen=True):
    """The embedded engine. Zeros mean: chosen for this machine."""

    binary: Path | None = None
    """A `llama-server` of your own in place of the wheel's."""
    threads: NonNegative = 0
    """CPU threads of each engine; 0: one for each core that this process may use."""
    slots: NonNegative = 0
    """Requests that one engine answers at a time; 0: as many as RAM has room for."""
    context: NonNegative = 0
    """Tokens per slot, prompt and output together; 0: what the model knows, halved until enough slots fit into RAM."""
    cache_mib: NonNegative = 0
    """MiB of RAM for the cache of prompts; 0: a sixteenth of the machine's."""
    start_timeout_s: Seconds = 120.0
    """Seconds that an engine may take to load its model."""
    keep_loaded: Positive = 2
    """Engines kept running at once; the least recently used one is stopped first."""


class PriceConfig(Section, frozen=True):
    """US dollars per million tokens. Thinking is billed as output."""

    input: Money = Decimal(0)
    """Prompt tokens."""
    cached: Money | None = None
    """Prompt tokens that the server had in its cache; default: as `input`."""
    output: Money = Decimal(0)
    """Thinking and answer tokens."""

    def __post_init__(self) -> None:
        # msgspec checks no bounds on decimals
        prices = [price for price in (self.input, self.cached, self.output) if price is not None]
        if not all(price.is_finite() and price <= _MAX_PRICE_USD for price in prices):
            raise ValueError(f"a price is a number, and at most {_MAX_PRICE_USD}")
        if min(prices) < 0:
            raise ValueError("a price can't be negative")


class ProviderConfig(Section, frozen=True):
    """An account at a place. What it doesn't say is as in the row of `like` among the known providers."""

    like: str | None = None
    """The known provider that it is like, such as `vllm`; default: the one of the same name."""
    base_url: str | None = None
    """Where its API begins, such as `http://127.0.0.1:8000/v1`; default: where the known provider is."""
    wire: str | None = None
    """Such as `openai_chat`, `openai_responses`, `raw_completion` (/v1/completions of vLLM and SGLang) or
    `llama_completion` (/completion of llama.cpp); default: the known provider's, else `openai_chat`."""
    api_key_env: str | tuple[str, ...] | None = None
    """Name of the environment variable that holds the API key; several names: keys that share the load."""
    api_key_file: Path | None = None
    """A file that holds the API key and nothing else."""
    auth: Auth | None = None
    """The header that carries the key; `sigv4`, `google`: requests are authorised with AWS's or Google Cloud's own
    credentials, in place of a key; default: as the known provider, those two at its own address only."""
    background: tuple[Effort, ...] | None = None
    """Efforts at which `openai_responses` works in the background, so that a connection that breaks costs nothing;
    the server keeps such a response for some minutes. Default: as the known provider, which is never."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """HTTP headers to send along with each request."""
    connect_timeout_s: Seconds = 10.0
    """Seconds to wait for a connection."""
    first_token_timeout_s: Seconds = 300.0
    """Seconds from a request to the first event of its stream."""
    read_timeout_s: Seconds = 300.0
    """Seconds of silence between tokens after which a request has failed."""
    total_timeout_s: Seconds = 3600.0
    """Seconds that one call may take, whatever comes."""
    slots: Positive | None = None
    """Calls that it takes at once, with each of its keys; default: as it shows under load."""
    retries: NonNegative = 2
    """Times that a call is tried again, where nothing came and nothing was paid for."""
    proxy: str | None = None
    """An HTTP proxy to reach it through, `http://HOST:PORT`; default: HTTPS_PROXY, less NO_PROXY."""

    def __post_init__(self) -> None:
        if self.proxy is not None and not self.proxy.startswith("http://"):
            raise ValueError("proxy must begin with http://")
        if self.base_url is not None and not self.base_url.startswith(("http://", "https://")):
            raise ValueError("base_url must begin with http:// or https://")
        if not all(re.fullmatch(r"[A-Za-z_]\w*", name) for name in self.key_variables):
            raise ValueError("api_key_env is the name of an environment variable, not the key itself")

    @property
    def key_variables(self) -> tuple[str, ...]:
        """`api_key_env` as a tuple of variables' names."""
        names = self.api_key_env
        return () if names is None else (names,) if isinstance(names, str) else names


class DeploymentConfig(Section, frozen=True):
    """One of several places that serve a model."""

    provider: str
    """A name under `providers`."""
    name: str | None = None
    """The name that this provider knows it by; default: as the model's own."""
    weight: Weight = 1.0
    """Its share of the conversations, against the other deployments' weights."""


class ModelConfig(Section, frozen=True):
    """A model under a name of your choice; `provider = "embedded"` runs `gguf` in the engine."""

    provider: str = EMBEDDED
    """A name under `providers`, or `embedded`."""
    name: str | None = None
    """The name that the provider knows it by; default: the same."""
    deployments: tuple[DeploymentConfig, ...] = ()
    """Places that serve it, in the stead of `provider`: they share the load, and stand in for each other."""
    fallbacks: tuple[str, ...] = ()
    """Models to ask, in this order, where this one's upstream fails."""
    cheaper: str | None = None
    """A model that answers in its stead where it has more to do than thinking less makes up for; default: none."""
    gguf: Path | None = None
    """The file of an embedded model."""
    family: str | None = None
    """How it thinks: a row of families/rows; default: found by its name."""
    price: PriceConfig | None = None
    """Default: the listed price; an embedded model is free."""
    context: Positive | None = None
    """Its window in tokens; default: not known for a provider's, the engine's for an embedded one."""
    max_output: Positive | None = None
    """Tokens that it writes at most, thinking and answer together; default: as its provider or family is known for."""
    effort_tokens: dict[Effort, NonNegative] = field(default_factory=dict[Effort, int])
    """Thinking tokens for effort words, in place of the family's."""
    answer_tokens: Positive | None = None
    """Tokens kept for the answer, and its default limit; default: the family's."""

    @property
    def all_deployments(self) -> tuple[DeploymentConfig, ...]:
        """`deployments`, or the one that `provider` is, each with the provider's name for the model if it has one."""
        if not self.deployments:
            return (DeploymentConfig(provider=self.provider, name=self.name),)
        return tuple(replace(one, name=one.name or self.name) for one in self.deployments)

    @property
    def embedded(self) -> bool:
        return self.provider == EMBEDDED and not self.deployments


class VerifierConfig(Section, frozen=True):
    """A verifier of your own, under a name of your choice: one of `function`, `command` and `url`."""

    function: str | None = None
    """`package.module:name`, called with those of question, answer, thinking and gold that it names."""
    command: tuple[str, ...] | None = None
    """Gets them as JSON on stdin; prints a verdict as JSON, or exits with 0 (passed) or 1."""
    url: str | None = None
    """Gets them as JSON in a POST, and answers with a verdict as JSON. Whatever is named here may be private."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """Seconds that it may take for one candidate."""
    needs_gold: bool = False
    """Requests without a gold are refused."""

    def __post_init__(self) -> None:
        if [self.function, self.command, self.url].count(None) != 2 or self.command == ():
            raise ValueError("name one of function, command and url")


class ServeConfig(Section, frozen=True):
    """The gateway."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: Port = 8080
    """The port to listen on; 0: the system chooses."""
    workers: Annotated[int, Meta(ge=1, le=MOST_WORKERS)] = 1
    """Processes that answer requests. They share address, store and engines; what is bounded here holds for each."""
    max_body_bytes: Positive = 10_000_000
    """The largest request that is read."""
    max_messages: Positive = 2_000
    """The most messages that a request may hold."""
    max_concurrent: Positive = 1_000
    """Requests answered at a time; more are refused with 429."""
    strict_fields: bool = False
    """Whether a request is refused for a field that would otherwise be passed over, and named in `perpend.ignored`."""
    private_addresses: bool = False
    """Whether clients may name images and verifiers on loopback, link-local and private addresses."""
    require_keys: Literal["auto", "always", "never"] = "auto"
    """`auto`: on loopback none is needed until one exists; elsewhere always."""
    max_visibility: Visibility = "visible"
    """The most of a model's thinking that clients are shown, whatever they ask for."""
    seal_keys_env: str | None = None
    """The environment variable with the keys, comma-separated, that seal what vendors want back of their reasoning: the
    first seals, all of them open. Default: a key of this machine's own, in PERPEND_HOME."""
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may read answers, such as `https://app.example`; `*`: of all that send a key. On
    loopback, pages of an origin that is named here need no key where nobody does."""

    def __post_init__(self) -> None:
        for origin in self.cors_origins:
            if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#]+", origin):
                raise ValueError(
                    f"cors_origins: {origin!r} isn't an origin such as https://app.example, or *"
                )


class AdmissionConfig(Section, frozen=True):
    """What happens where there is more to do than models can: nothing before. See the guide on overload."""

    enabled: bool = True
    """False: whatever comes is sent to the models at once, and waits there."""
    lower: bool = True
    """Whether requests think less, draw fewer candidates or go to a cheaper model before others have to wait for long;
    false: they only wait."""
    max_queue: NonNegative = 512
    """Requests that wait for one model at most; more are refused with 429. 0: nobody waits."""
    max_wait_s: Seconds = 30.0
    """Seconds that a request waits at most, and less where its deadline comes before."""
    floors: dict[ServiceClass, Share] = field(default_factory=dict[ServiceClass, float])
    """The least share of a model's tokens that a class gets while its requests wait; default: interactive 0.6, standard
    0.3, batch 0.1."""
    target_wait_s: dict[ServiceClass, Seconds] = field(default_factory=dict[ServiceClass, float])
    """Seconds that requests of a class may wait before others think less for them; default: interactive 2, standard 5,
    batch 20."""

    def __post_init__(self) -> None:
        if sum(self.all_floors.values()) > 1 + 1e-9:
            raise ValueError("the floors of all classes together are at most 1")

    @property
    def all_floors(self) -> dict[ServiceClass, float]:
        return {"interactive": 0.6, "standard": 0.3, "batch": 0.1, **self.floors}

    @property
    def all_target_waits_s(self) -> dict[ServiceClass, float]:
        return {"interactive": 2.0, "standard": 5.0, "batch": 20.0, **self.target_wait_s}


class StorageConfig(Section, frozen=True):
    """The ledger, the keys, and answers that clients may come back for."""

    path: Path | None = None
    """SQLite file; default: `perpend.db` in PERPEND_HOME."""
    durability: Literal["process", "power"] = "process"
    """`process`: rows survive any crash of the process; `power`: of the machine too (an fsync per group)."""
    responses_days: Days = 30.0
    """Days that `/v1/responses` keeps an answer, unless its request says `"store": false`."""


class CacheConfig(Section, frozen=True):
    """The response cache: answers that are given again to who asks the same. Each process has its own, in memory."""

    use: Literal["never", "asked", "always"] = "asked"
    """`asked`: for requests with `"cache": true`; `always`: for those that don't say either, too, unless their sampling
    asks for variety; `never`: for none."""
    ttl_s: Seconds = 3600.0
    """Seconds that an answer is kept."""
    max_mib: Positive = 64
    """MiB of answers that are kept; those used least lately make room."""


class DefaultsConfig(Section, frozen=True):
    """What holds where a request doesn't say otherwise."""

    model: str = "qwen2.5-coder-1.5b"
    """A name under `models` or of `perpend models list`, PROVIDER/MODEL, or the path of a GGUF file."""
    cheap_model: str = "qwen2.5-coder-0.5b"
    """Writes the summaries of thinking."""
    effort: Effort = "medium"
    """How much to think."""
    visibility: Visibility = "visible"
    """Whether the gateway's answers carry their thinking."""
    summary_every_tokens: Positive = 128
    """Thinking tokens between two summaries."""


class Config(Section, frozen=True):
    """All of it."""

    home: Path | None = None
    """Folder of weights, store and logs; default: the platform's data folder. PERPEND_HOME goes before it."""
    defaults: DefaultsConfig = DefaultsConfig()
    engine: EngineConfig = EngineConfig()
    serve: ServeConfig = ServeConfig()
    admission: AdmissionConfig = AdmissionConfig()
    storage: StorageConfig = StorageConfig()
    limits: LimitsConfig = LimitsConfig()
    cache: CacheConfig = CacheConfig()
    providers: dict[str, ProviderConfig] = field(default_factory=dict[str, ProviderConfig])
    models: dict[str, ModelConfig] = field(default_factory=dict[str, ModelConfig])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    """Other names for models, such as `"claude-*" = "qwen2.5-coder-1.5b"`: what a client is set to ask for, and who
    answers. The glob that says most of a name goes first, a model's own name before any."""
    verifiers: dict[str, VerifierConfig] = field(default_factory=dict[str, VerifierConfig])
