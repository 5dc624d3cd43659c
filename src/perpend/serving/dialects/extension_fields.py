"""Perpend's own request fields, the same in every dialect, and the `Request` that they complete."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from perpend.backends import backends
from perpend.backends.options import check_options
from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.providers.provider import providers
from perpend.registry import choices_hint, options_of
from perpend.serving.fields import Ignored
from perpend.strategies import strategies, strategy_spec
from perpend.types import (
    VISIBILITIES,
    Effort,
    Limits,
    Message,
    OutputSpec,
    Request,
    Sampling,
    ServiceClass,
    StrategySpec,
    Visibility,
)
from perpend.verifiers import verifier_spec

Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Positive = Annotated[int, Meta(ge=1, le=10_000_000)]
Text256 = Annotated[str, Meta(max_length=256)]
StopText = Annotated[str, Meta(min_length=1, max_length=256)]
Money: TypeAlias = float | str
EffortWord: TypeAlias = Effort | Literal["xhigh", "ultra"]

_DEFAULT_STRATEGY = StrategySpec()


class ExtensionFields(Struct, forbid_unknown_fields=True, kw_only=True):
    """Perpend's own fields; null means absent everywhere."""

    reasoning_effort: EffortWord | None = None
    max_thinking_tokens: Count | None = None
    max_cost_usd: Money | None = None
    deadline_ms: Annotated[int, Meta(ge=1, le=86_400_000)] | None = None
    thinking_visibility: Visibility | None = None
    progress: bool | None = None
    strategy: Text256 | dict[str, Any] | None = None
    verifier: Text256 | dict[str, Any] | None = None
    router: Text256 | None = None
    service_class: ServiceClass | None = None
    """Who comes first under load; before what `service_tier` says."""
    cache: bool | None = None
    """True: the answer may come from the response cache, and be kept there. False: neither, and the whole prompt is
    read again. Default: as `cache.use` in the config."""
    top_k: Annotated[int, Meta(ge=-1, le=1_000_000)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=100)] | None = None
    provider_options: dict[Text256, dict[str, Any]] | None = None
    """Vendors' own fields, sent upstream as they are, by the name of a provider or a wire."""


_SHARED_FIELD_NAMES = ("reasoning_effort", "top_k", "min_p", "repetition_penalty")
OWN_FIELD_NAMES = tuple(
    [field for field in ExtensionFields.__struct_fields__ if field not in _SHARED_FIELD_NAMES]
)
"""Names of the fields that no vendor's API has."""


_MOST_USER_CHARS = 256


class DialectFields(Struct, frozen=True, gc=False):
    """The values of a dialect's own fields, in canonical form."""

    messages: tuple[Message, ...]
    model: str | None
    max_output_tokens: int | None
    sampling: Sampling
    output_spec: OutputSpec
    user: str | None = None
    service_class: ServiceClass | None = None


_TIERS: dict[str, ServiceClass] = {"priority": "interactive", "flex": "batch", "standard_only": "standard"}


def class_of(service_tier: str | None, ignored: Ignored) -> ServiceClass | None:
    """What OpenAI's or Anthropic's tier means here; None: nothing was asked for."""
    if service_tier is None or service_tier in ("auto", "default"):
        return None
    service_class = _TIERS.get(service_tier)
    if service_class is None:
        ignored.add("service_tier", f"the service tier {service_tier[:80]!r}")
    return service_class


def request_of(
    fields: DialectFields, extensions: ExtensionFields, config: Config, ignored: Ignored
) -> Request:
    """The request of a dialect's fields and Perpend's own. Raises BadRequest naming the field that is wrong."""
    if extensions.cache and config.cache.use == "never":
        ignored.add("cache", "keeping answers for the next time")
    if extensions.router is not None and extensions.router != "off":
        raise BadRequest(
            f"unknown router {extensions.router!r}", hint='send "off", or leave it out', field="router"
        )
    if len(fields.messages) > config.serve.max_messages:
        raise BadRequest(
            f"{len(fields.messages)} messages are more than this server takes",
            hint=f"send at most {config.serve.max_messages}, or raise serve.max_messages",
            field="messages",
        )
    effort = extensions.reasoning_effort
    return Request(
        messages=fields.messages,
        model=fields.model or None,
        effort="max" if effort in ("xhigh", "ultra") else effort,
        limits=Limits(
            max_thinking_tokens=extensions.max_thinking_tokens,
            max_output_tokens=fields.max_output_tokens,
            max_cost_usd=None if extensions.max_cost_usd is None else _money(extensions.max_cost_usd),
            deadline_ms=extensions.deadline_ms,
        ),
        sampling=_sampling(fields.sampling, extensions),
        provider_options=_options(extensions.provider_options, config) if extensions.provider_options else {},
        strategy=_DEFAULT_STRATEGY if extensions.strategy is None else strategy_spec(extensions.strategy),
        output_spec=fields.output_spec,
        verifier=None if extensions.verifier is None else verifier_spec(extensions.verifier),
        cache=extensions.cache,
        visibility=_visibility(extensions.thinking_visibility, config, ignored),
        progress=bool(extensions.progress),
        service_class=extensions.service_class or fields.service_class,
        user=fields.user[:_MOST_USER_CHARS] if fields.user else None,
        ignored=ignored.names,
    )


def _visibility(requested: Visibility | None, config: Config, ignored: Ignored) -> Visibility:
    """The requested visibility, or the most that the server allows."""
    visibility, limit = requested or config.defaults.visibility, config.serve.max_visibility
    if VISIBILITIES.index(visibility) <= VISIBILITIES.index(limit):
        return visibility
    if requested is not None:
        ignored.add("thinking_visibility", f"thinking that is {requested}")
    return limit


def set_sample_count(extensions: ExtensionFields, n: int) -> None:
    """Have the strategy `samples` draw `n` answers. Raises BadRequest where the request has a strategy of its own."""
    if extensions.strategy is not None:
        names = [name for name in strategies.names() if "n" in options_of(strategies.get(name))]
        hint = f'set it in the strategy, such as {{"name": "samples", "n": {n}}}; {", ".join(names)} take n'
        raise BadRequest("n and strategy can't both say how many answers are drawn", hint=hint, field="n")
    extensions.strategy = {"name": "samples", "n": n}


def _sampling(sampling: Sampling, extensions: ExtensionFields) -> Sampling:
    """Add the sampling parameters that engines have and vendors' APIs don't."""
    top_k, min_p, penalty = extensions.top_k, extensions.min_p, extensions.repetition_penalty
    if top_k is min_p is penalty is None:
        return sampling
    return replace(sampling, top_k=top_k, min_p=min_p, repetition_penalty=penalty)


def _options(options: dict[str, dict[str, Any]], config: Config) -> dict[str, dict[str, Any]]:
    """The options, checked. Raises BadRequest for an unknown provider or wire, and for a field that budgets rely on."""
    for name in options:
        known = [*config.providers, *providers(), *backends.names()]
        if name not in known:
            hint = choices_hint(name, known)
            raise BadRequest(f"no provider or wire is called {name!r}", hint=hint, field="provider_options")
    check_options(options)
    return options


def _money(value: Money) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= 1_000_000:
        raise BadRequest(
            "max_cost_usd isn't an amount of dollars",
            hint="send a number from 0 to 1000000",
            field="max_cost_usd",
        )
    return amount
