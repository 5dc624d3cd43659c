"""What the name of a model means: where it is served, for what price, and how it thinks."""

from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path

from msgspec.structs import replace

from perpend.accounting.calibration import calibration_of, room_for
from perpend.accounting.estimates import Speed
from perpend.accounting.price_list import PriceList, price_list
from perpend.accounting.prices import UNKNOWN, Price, dearest
from perpend.backends import Upstream, backends
from perpend.backends.accounts import account_of, check_wire, key_header, seller_of, signer_of
from perpend.backends.embeddings import embed
from perpend.config.schema import EMBEDDED, Config, DeploymentConfig, ModelConfig, ProviderConfig
from perpend.config.secrets import key_origins, provider_keys
from perpend.deployments.pool import Deployment, Deployments
from perpend.deployments.server_metrics import ServerMetrics
from perpend.engine import hub
from perpend.engine.catalogue import Weights, catalogue, weights_of
from perpend.engine.embedder import PackagedModel
from perpend.engine.embedders import packaged
from perpend.engine.gguf import ModelFacts, read_facts
from perpend.engine.pool import EnginePool
from perpend.errors import (
    BadRequest,
    ClientMessage,
    ConfigError,
    NoAccount,
    NotFound,
    PerpendError,
    WeightsError,
)
from perpend.families.family import Family, family_named, family_of, output_limit
from perpend.providers.provider import Provider, provider_in, providers
from perpend.registry import choices_hint
from perpend.solve import ServedModel
from perpend.solve.embed import EmbeddingDeployment
from perpend.transport.client import HTTPClient, Signer, Timeouts, UpstreamAccount

_ENGINES_WIRE = "llama_completion"
_ENGINES_PACE = Timeouts(first_token_s=3600.0, read_s=3600.0, total_s=10_800.0)
"""An engine of ours that is silent reads a long prompt, or answers others first; one that died closes connections."""
_MOST_UNLISTED = 256
"""Models that only requests name (PROVIDER/MODEL, paths) and that are remembered: the latest used."""


class Models:
    """The models that can be named: the config's, the catalogue's, GGUF files, and `provider/model`."""

    def __init__(self, config: Config, home: Path, http: HTTPClient, engines: EnginePool) -> None:
        self._config = config
        self._home = home
        self._http = http
        self._engines = engines
        self._served: dict[str, ServedModel] = {}
        self._unlisted: dict[str, None] = {}  # the least recently used first
        self._upstreams: dict[str, Deployments] = {}
        self._signers: dict[str, Signer | None] = {}
        for name, own in config.providers.items():
            if own.wire is not None:
                check_wire(name, own.wire)  # one that isn't there is told at the start
        for alias, meant in config.aliases.items():
            try:
                self._row(meant)
            except NotFound as error:
                raise ConfigError(f"aliases.{alias}: {error.message}", hint=error.hint) from None

    def names(self) -> list[str]:
        """The config's models, then the catalogue's, then packaged ones that are installed.

        What the hub alone has is among them once it is here.
        """
        here = [name for name, model in packaged().items() if model.installed]
        offered = [name for name in catalogue() if self._offers(name)]
        pulled = [row.name for row in hub.here(self._home)]
        return list(dict.fromkeys([*self._config.models, *offered, *pulled, *here]))

    def _offers(self, name: str) -> bool:
        """A row of the catalogue that needs no asking for: what the hub alone has does, until it is here."""
        row = catalogue().get(name)
        return row is not None and (not row.rounded or row.pulled(self._home))

    def problem(self, name: str) -> str | None:
        """What a request for it would meet now, in clients' words; None: it would be answered, as far as is known.

        Raises NotFound.
        """
        others = (other for other in self.resolve(name).fallbacks if other != name)
        problem = self._problem(name)
        return problem if problem is None or all(map(self._problem, others)) else None

    def _problem(self, name: str) -> str | None:
        try:
            served = self.resolve(name)
        except PerpendError as error:
            return error.client_message.message
        upstream = self._upstreams.get(served.name)  # what nobody asked for lately is forgotten
        return self._engines.problem(served.name) or (upstream and upstream.problem)

    def resolve(self, name: str | None) -> ServedModel:
        """Raises NotFound naming the nearest model, or the provider where nobody here has an account."""
        name = name or self._config.defaults.model
        served = self._served.get(name)
        if served is None:
            meant, row = self.configured(name)
            served = self._served.get(meant) or self._serve(meant, row)
            self._served[meant] = self._served[name] = served
        for known in {name, served.name}:
            if known not in self._config.models and known not in catalogue():
                self._remember(known)
        return served

    def _remember(self, name: str) -> None:
        self._unlisted.pop(name, None)
        self._unlisted[name] = None
        if len(self._unlisted) > _MOST_UNLISTED:
            oldest = next(iter(self._unlisted))
            for known in (self._unlisted, self._served, self._upstreams):
                known.pop(oldest, None)

    def places(self) -> dict[str, tuple[Deployment, ...]]:
        """Where the models are served that were asked for so far."""
        return {name: upstream.deployments for name, upstream in self._upstreams.items()}

    def cheap(self, beside: ServedModel) -> ServedModel:
        """The config's cheap tier; `beside`, the model that a request has already, where it isn't here.

        Raises NotFound.
        """
        name = self._config.defaults.cheap_model
        weights = self.weights(name)
        return self.resolve(name) if weights is None or weights.pulled(self._home) else beside

    def weights(self, name: str | None) -> Weights | None:
        """See `engine.catalogue.weights_of`; None means the default model."""
        return weights_of(self._config, name or self._config.defaults.model)

    def path(self, name: str) -> Path:
        """Where an embedded model's GGUF lies, or will lie. Raises NotFound where its row names no weights."""
        weights = self.weights(name)
        if weights is not None:
            return weights.path(self._home)
        if (own := self.configured(name)[1].gguf) is not None:
            return own
        raise NotFound(
            f"model {name!r} is embedded, but names no weights",
            hint=f"give it a gguf, or as its name one of {', '.join(catalogue())}",
            field="model",
        )

    def configured(self, name: str) -> tuple[str, ModelConfig]:
        """The model that a name or an alias means, and how it is served. Raises NotFound naming the nearest."""
        known = name in self._config.models or self._offers(name) or name in packaged()
        meant = name if known else self._alias(name)
        return self._row(meant)

    def _alias(self, name: str) -> str:
        """What the alias stands for whose glob says most of the name; the name itself where none does."""
        aliases = self._config.aliases
        globs = [glob for glob in aliases if glob == name or fnmatchcase(name, glob)]
        return aliases[max(globs, key=lambda glob: (glob == name, len(glob)))] if globs else name

    def _row(self, name: str) -> tuple[str, ModelConfig]:
        """As `configured`, of a name that is no alias; a provider's is in its own case."""
        if name in self._config.models:
            return name, self._config.models[name]
        if name in catalogue() or name in packaged():
            return name, ModelConfig()
        if name.startswith(hub.PREFIX):
            return name, ModelConfig(gguf=hub.of_hub(name).path(self._home))
        if name.endswith(".gguf"):
            return name, ModelConfig(gguf=Path(name))
        if (found := provider_in(name, self._config.providers)) is not None:
            return "/".join(found), ModelConfig(provider=found[0], name=found[1])
        provider, _, upstream = name.partition("/")
        if upstream:
            hint = choices_hint(provider, sorted({*self._config.providers, *providers()}))
            raise NotFound(f"unknown provider {provider!r}", hint=hint, field="model")
        raise NotFound(
            f"unknown model {name!r}",
            hint=f"{choices_hint(name, self.names())}, any path to a .gguf file, or PROVIDER/MODEL",
            field="model",
        )

    def packaged(self, name: str) -> PackagedModel | None:
        """The packaged embedding model that a name or an alias means, if it means one. Raises NotFound."""
        meant, _ = self.configured(name)
        return None if meant in self._config.models else packaged().get(meant)

    def _serve(self, name: str, row: ModelConfig) -> ServedModel:
        if self.packaged(name):
            hint = f"POST /v1/embeddings asks it; others are {', '.join(catalogue())}"
            raise BadRequest(f"{name} makes embeddings, and nothing else", hint=hint, field="model")
        family = family_named(row.family) if row.family else self._family(name, row)
        context = row.context
        if row.embedded:
            context = self._engines.context(self._facts(name, row))
            backend = self._embedded(name, context)
        else:
            backend = self._remote(name, row)
        fallbacks = row.fallbacks
        for fallback in fallbacks:
            self.configured(fallback)  # one that isn't there is told now, not when it is needed
        if row.cheaper is not None:
            self.configured(row.cheaper)
        self._upstreams[name] = backend
        fallbacks = (name, *fallbacks) if len(backend.deployments) > 1 else fallbacks
        prices = self._prices(name, row)
        calibration = calibration_of(self._home, name)
        ladder, kept = family.effort, family.budget in ("exact", "native_hard")
        return ServedModel(
            name=name,
            provider=row.all_deployments[0].provider,
            upstream_name=row.all_deployments[0].name or name,
            family=family,
            backend=backend,
            price=dearest(prices.values()),
            prices=prices,
            fallbacks=fallbacks,
            told_output=lambda: backend.max_output,
            capacity=lambda: backend.capacity,
            cheaper=row.cheaper,
            speed=Speed(),
            effort_tokens={**(ladder if kept else room_for(ladder, calibration)), **row.effort_tokens},
            calibration=calibration,
            answer_tokens=row.answer_tokens or family.answer_tokens,
            context=context,
            max_output=row.max_output or self._max_output(name, row, family),
            **({"width": partial(self._engines.slots, name)} if row.embedded else {}),
        )

    def _max_output(self, name: str, row: ModelConfig, family: Family) -> int | None:
        """The least of its places'."""
        limits: list[int] = []
        for place in row.all_deployments:
            found = account_of(place.provider, self._config.providers.get(place.provider))
            here = found[0].max_output if found else {}
            limit = output_limit(place.name or name, here, family.max_output)
            limits += [] if limit is None else [limit]
        return min(limits, default=None)

    def _facts(self, name: str, row: ModelConfig) -> ModelFacts | None:
        """Of an embedded model, where they are known yet."""
        if (weights := self.weights(name)) is not None:
            facts = weights.facts
        elif (path := self.path(name)).exists():
            facts = read_facts(path)
        else:
            return None
        return facts if row.context is None else replace(facts, context=row.context)

    def _family(self, name: str, row: ModelConfig) -> Family:
        if (weights := self.weights(name)) is not None:
            return family_named(weights.family)
        family = family_of(row.all_deployments[0].name or (row.gguf.name if row.gguf else name))
        embedded = row.embedded
        return family_named("gguf") if embedded and family.budget != "exact" else family

    def _prices(self, name: str, row: ModelConfig) -> dict[str, Price]:
        """By provider. The model's own price holds at each of them."""
        prices: dict[str, list[Price]] = {}
        for place in row.all_deployments:
            own = Price.from_config(row.price) if row.price else None
            price = own or self._listed_price(place.name or name, place.provider)
            prices.setdefault(place.provider, []).append(price)
        return {provider: dearest(each) for provider, each in prices.items()}

    @cached_property
    def _list(self) -> PriceList:
        return price_list(self._home)

    def _listed_price(self, upstream_name: str, provider: str) -> Price:
        if provider == EMBEDDED:
            return Price()
        seller = seller_of(provider, self._config.providers.get(provider))
        return self._list.price(upstream_name, seller) or UNKNOWN

    def _embedded(self, name: str, context: int) -> Deployments:
        path = self.path(name)

        async def url() -> str:
            if not path.exists():
                raise WeightsError(f"the weights of {name!r} aren't here", hint=f"perpend models pull {name}")
            return await self._engines.ready(name, path, context)

        account = UpstreamAccount(
            {"content-type": "application/json"}, _ENGINES_PACE, name="the model's engine", is_engine=True
        )
        wire = backends.get(_ENGINES_WIRE)(
            Upstream(Provider(name=EMBEDDED, wire=_ENGINES_WIRE), self._http, url, account)
        )
        slots = partial(self._engines.capacity, name)
        return Deployments([Deployment(EMBEDDED, wire, model=Path(name).name, retries=1, slots=slots)])

    def embedding_places(self, name: str) -> list[EmbeddingDeployment]:
        """Where a model of a provider makes embeddings. Raises NotFound and BadRequest."""
        meant, row = self.configured(name)
        if row.embedded:
            raise BadRequest(
                f"{name!r} is embedded, and the engine in this house makes no embeddings",
                hint=f"ask for {', '.join(packaged())}; or run `llama-server --embedding -m FILE.gguf` beside it, "
                "and ask for llama-server/MODEL",
                field="model",
            )
        price_at = self.resolve(name).price_at
        return [
            EmbeddingDeployment(
                place.provider, price_at(place.provider), partial(embed, upstream, place.name or meant)
            )
            for place in row.all_deployments
            for upstream, _ in self._accounts(meant, place)
        ]

    def _remote(self, name: str, row: ModelConfig) -> Deployments:
        """Every place that serves a model; a pool of keys makes several of one."""
        try:
            return Deployments(
                [one for place in row.all_deployments for one in self._deployments(name, place)]
            )
        except ConfigError as error:
            if name in self._config.models:
                raise
            told = ClientMessage(
                f"this server has no account at {row.provider}", "GET /v1/models lists what it serves"
            )
            raise NoAccount(error.message, hint=error.hint, field="model", redacted=told) from error

    def _deployments(self, name: str, place: DeploymentConfig) -> list[Deployment]:
        """One for each of the provider's keys."""
        return [
            Deployment(
                place.provider,
                backends.get(upstream.provider.wire)(upstream),
                model=place.name or name,
                key=number,
                weight=place.weight,
                retries=provider.retries,
                slots=lambda known=provider.slots: known,
                metrics=_metrics_of(upstream),
            )
            for number, (upstream, provider) in enumerate(self._accounts(name, place))
        ]

    def _accounts(self, name: str, place: DeploymentConfig) -> list[tuple[Upstream, ProviderConfig]]:
        """One for each of the provider's keys. Raises NotFound."""
        found = account_of(place.provider, self._config.providers.get(place.provider))
        if found is None:
            raise NotFound(
                f"model {name!r} names a provider {place.provider!r} that isn't configured",
                hint=f"add [providers.{place.provider}] with a base_url to perpend.toml",
                field="model",
            )
        row, provider = found

        async def url() -> str:
            return row.base_url

        def account(key: str | None, origin: str) -> UpstreamAccount:
            signer = None if key else self._signer(row)
            return _account(row, provider, signer, key, origin)

        keys = zip(provider_keys(place.provider, provider), key_origins(provider), strict=True)
        return [(Upstream(row, self._http, url, account(*key)), provider) for key in keys]

    def _signer(self, row: Provider) -> Signer | None:
        """One for all models of a provider: they share its token."""
        if row.name not in self._signers:
            self._signers[row.name] = signer_of(row, self._http)
        return self._signers[row.name]


def _metrics_of(upstream: Upstream) -> ServerMetrics | None:
    names, http = upstream.provider.load_metrics, upstream.http
    if names is None:
        return None
    url = upstream.provider.base_url.removesuffix("/v1") + "/metrics"
    return ServerMetrics(names, partial(http.get_json, url, upstream.account), http.run_in_background)


def _account(
    row: Provider, provider: ProviderConfig, signer: Signer | None, key: str | None, origin: str
) -> UpstreamAccount:
    headers = {"content-type": "application/json", **provider.headers}
    if key:
        headers |= key_header(row.auth, key)
    timeouts = Timeouts(
        connect_s=provider.connect_timeout_s,
        first_token_s=provider.first_token_timeout_s,
        read_s=provider.read_timeout_s,
        total_s=provider.total_timeout_s,
    )
    return UpstreamAccount(headers, timeouts, provider.proxy, signer, name=row.name, key=origin)
