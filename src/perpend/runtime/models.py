"""Resolves the name of a model: to its deployments, prices, family and limits."""

import logging
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from perpend.accounting.calibration import calibration_of, room_for
from perpend.accounting.curves import Curve, curve_of
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
from perpend.engine.pool import Engines
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

_log = logging.getLogger(__name__)
_ENGINE_WIRE = "llama_completion"
_ENGINE_TIMEOUTS = Timeouts(first_token_s=3600.0, read_s=3600.0, total_s=10_800.0)
"""Long, since a silent engine reads a long prompt or serves other requests; one that died closes its connections."""
_MAX_UNLISTED = 256
"""How many models that only requests name (PROVIDER/MODEL, paths) are kept resolved: the last used."""


class Models:
    """All models that can be named: the config's, the catalogue's, GGUF files, and `PROVIDER/MODEL`."""

    def __init__(self, config: Config, home: Path, http: HTTPClient, engines: Engines) -> None:
        """Raises ConfigError for an unknown wire, and for an alias of an unknown model."""
        self._config = config
        self._home = home
        self._http = http
        self._engines = engines
        self._served: dict[str, ServedModel] = {}
        self._unlisted: dict[str, None] = {}  # least recently used first
        self._upstreams: dict[str, Deployments] = {}
        self._signers: dict[str, Signer | None] = {}
        for name, provider in config.providers.items():
            if provider.wire is not None:
                check_wire(name, provider.wire)  # an unknown one is reported at the start
        for alias, target in config.aliases.items():
            try:
                self._row(target)
            except NotFound as error:
                raise ConfigError(f"aliases.{alias}: {error.message}", hint=error.hint) from None

    def names(self) -> list[str]:
        """Names of the config's models, the catalogue's, pulled ones of the hub, and installed packaged ones.

        The catalogue's rows that only the hub has are listed once they are pulled.
        """
        installed = [name for name, model in packaged().items() if model.installed]
        offered = [name for name in catalogue() if self._offers(name)]
        pulled = [row.name for row in hub.here(self._home)]
        return list(dict.fromkeys([*self._config.models, *offered, *pulled, *installed]))

    def _offers(self, name: str) -> bool:
        """Whether the catalogue lists it: a row that only the hub has has to be pulled first."""
        row = catalogue().get(name)
        return row is not None and (not row.rounded or row.pulled(self._home))

    def problem(self, name: str) -> str | None:
        """Why a request for the model would fail now, as clients are told; None where no reason is known.

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
        upstream = self._upstreams.get(served.name)  # None where it isn't kept resolved any more
        return self._engines.problem(served.name) or (upstream and upstream.problem)

    def resolve(self, name: str | None) -> ServedModel:
        """The served model of a name; None means the default.

        Raises NotFound naming the nearest model, NoAccount where its provider has no account here, and ConfigError.
        """
        name = name or self._config.defaults.model
        served = self._served.get(name)
        if served is None:
            target, row = self.configured(name)
            served = self._served.get(target) or self._serve(target, row)
            self._served[target] = self._served[name] = served
        for used in {name, served.name}:
            if used not in self._config.models and used not in catalogue():
                self._remember(used)
        return served

    def _remember(self, name: str) -> None:
        self._unlisted.pop(name, None)
        self._unlisted[name] = None
        if len(self._unlisted) > _MAX_UNLISTED:
            oldest = next(iter(self._unlisted))
            for cache in (self._unlisted, self._served, self._upstreams):
                cache.pop(oldest, None)

    def deployments(self) -> dict[str, tuple[Deployment, ...]]:
        """The deployments of the models that were requested so far, by name."""
        return {name: upstream.deployments for name, upstream in self._upstreams.items()}

    def cheap(self, otherwise: ServedModel) -> ServedModel:
        """The config's cheap model; `otherwise`, the request's own, where its weights aren't pulled.

        Raises NotFound.
        """
        name = self._config.defaults.cheap_model
        weights = self.weights(name)
        return self.resolve(name) if weights is None or weights.pulled(self._home) else otherwise

    def weights(self, name: str | None) -> Weights | None:
        """See `engine.catalogue.weights_of`; name None means the default model."""
        return weights_of(self._config, name or self._config.defaults.model)

    def path(self, name: str) -> Path:
        """The path of an embedded model's GGUF file. Raises NotFound where its row names no weights."""
        weights = self.weights(name)
        if weights is not None:
            return weights.path(self._home)
        if (gguf := self.configured(name)[1].gguf) is not None:
            return gguf
        raise NotFound(
            f"model {name!r} is embedded, but names no weights",
            hint=f"give it a gguf, or as its name one of {', '.join(catalogue())}",
            field="model",
        )

    def configured(self, name: str) -> tuple[str, ModelConfig]:
        """The model that a name or an alias means, and how it is served. Raises NotFound naming the nearest."""
        known = name in self._config.models or self._offers(name) or name in packaged()
        target = name if known else self._alias(name)
        return self._row(target)

    def _alias(self, name: str) -> str:
        """The target of the most specific alias that matches; the name itself where none does."""
        aliases = self._config.aliases
        globs = [glob for glob in aliases if glob == name or fnmatchcase(name, glob)]
        return aliases[max(globs, key=lambda glob: (glob == name, len(glob)))] if globs else name

    def _row(self, name: str) -> tuple[str, ModelConfig]:
        """As `configured`, for a name that is no alias; a provider's name is given its own case. Raises NotFound."""
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
        target, _ = self.configured(name)
        return None if target in self._config.models else packaged().get(target)

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
            self.configured(fallback)  # an unknown one is reported now, not when it is needed
        if row.cheaper is not None:
            self.configured(row.cheaper)
        self._upstreams[name] = backend
        fallbacks = (name, *fallbacks) if len(backend.deployments) > 1 else fallbacks
        prices = self._prices(name, row)
        calibration = calibration_of(self._home, name)
        ladder, enforced = family.effort, family.budget in ("exact", "native_hard")
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
            effort_tokens={**(ladder if enforced else room_for(ladder, calibration)), **row.effort_tokens},
            calibration=calibration,
            curve=self._curve(name),
            answer_tokens=row.answer_tokens or family.answer_tokens,
            context=context,
            max_output=row.max_output or self._max_output(name, row, family),
            **(self._of_engine(name) if row.embedded else {}),
        )

    def _of_engine(self, name: str) -> dict[str, Any]:
        """What only its engine tells of an embedded model."""
        return {
            "width": partial(self._engines.slots, name),
            "weights_version": partial(self._engines.weights_version, name, self.path(name)),
        }

    def _curve(self, name: str) -> Curve | None:
        """None, and a warning, where its file can't be read: under load the model is treated as one without."""
        try:
            curve = curve_of(self._home, name)
            if curve is not None:
                curve.knee(curve.points[-1].budget)  # its steps are worked out now, not under load
            return curve
        except ConfigError as error:
            _log.warning(
                "%s: until then %s is shed as if it had no curve (%s)", error.message, name, error.hint
            )
            return None

    def _max_output(self, name: str, row: ModelConfig, family: Family) -> int | None:
        """The lowest output limit, in tokens, of its deployments; None where none is known."""
        limits: list[int] = []
        for entry in row.all_deployments:
            found = account_of(entry.provider, self._config.providers.get(entry.provider))
            provider_limits = found[0].max_output if found else {}
            limit = output_limit(entry.name or name, provider_limits, family.max_output)
            limits += [] if limit is None else [limit]
        return min(limits, default=None)

    def _facts(self, name: str, row: ModelConfig) -> ModelFacts | None:
        """The facts of an embedded model; None before its file is there."""
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
        """Prices by provider. A price of the config holds at all of them."""
        prices: dict[str, list[Price]] = {}
        for entry in row.all_deployments:
            configured = Price.from_config(row.price) if row.price else None
            price = configured or self._listed_price(entry.name or name, entry.provider)
            prices.setdefault(entry.provider, []).append(price)
        return {provider: dearest(seller_prices) for provider, seller_prices in prices.items()}

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
            {"content-type": "application/json"}, _ENGINE_TIMEOUTS, name="the model's engine", is_engine=True
        )
        wire = backends.get(_ENGINE_WIRE)(
            Upstream(Provider(name=EMBEDDED, wire=_ENGINE_WIRE), self._http, url, account)
        )
        slots = partial(self._engines.capacity, name)
        return Deployments([Deployment(EMBEDDED, wire, model=Path(name).name, retries=1, slots=slots)])

    def embedding_deployments(self, name: str) -> list[EmbeddingDeployment]:
        """The deployments at which a provider's model makes embeddings. Raises NotFound and BadRequest."""
        target, row = self.configured(name)
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
                entry.provider, price_at(entry.provider), partial(embed, upstream, entry.name or target)
            )
            for entry in row.all_deployments
            for upstream, _ in self._accounts(target, entry)
        ]

    def _remote(self, name: str, row: ModelConfig) -> Deployments:
        """Deployments of a model, one for each entry and key of its provider. Raises ConfigError and NoAccount."""
        try:
            return Deployments(
                [each for entry in row.all_deployments for each in self._deployments(name, entry)]
            )
        except ConfigError as error:
            if name in self._config.models:
                raise
            redacted = ClientMessage(
                f"this server has no account at {row.provider}", "GET /v1/models lists what it serves"
            )
            raise NoAccount(error.message, hint=error.hint, field="model", redacted=redacted) from error

    def _deployments(self, name: str, entry: DeploymentConfig) -> list[Deployment]:
        """One deployment for each of the provider's keys. Raises NotFound and ConfigError."""
        return [
            Deployment(
                entry.provider,
                backends.get(upstream.provider.wire)(upstream),
                model=entry.name or name,
                key=number,
                weight=entry.weight,
                retries=provider.retries,
                slots=lambda known=provider.slots: known,
                metrics=_metrics_of(upstream),
            )
            for number, (upstream, provider) in enumerate(self._accounts(name, entry))
        ]

    def _accounts(self, name: str, entry: DeploymentConfig) -> list[tuple[Upstream, ProviderConfig]]:
        """An account for each of the provider's keys. Raises NotFound and ConfigError."""
        found = account_of(entry.provider, self._config.providers.get(entry.provider))
        if found is None:
            raise NotFound(
                f"model {name!r} names a provider {entry.provider!r} that isn't configured",
                hint=f"add [providers.{entry.provider}] with a base_url to perpend.toml",
                field="model",
            )
        row, provider = found

        async def url() -> str:
            return row.base_url

        def account(key: str | None, origin: str) -> UpstreamAccount:
            signer = None if key else self._signer(row)
            return _account(row, provider, signer, key, origin)

        keys = zip(provider_keys(entry.provider, provider), key_origins(provider), strict=True)
        return [(Upstream(row, self._http, url, account(*key)), provider) for key in keys]

    def _signer(self, row: Provider) -> Signer | None:
        """The signer of a provider, which its models share, and so its token. Raises ConfigError."""
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
