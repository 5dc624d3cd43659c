"""Computes the cache key: a SHA-256 hash of the tenant, the request, and everything else that an answer depends on.

The hash is of MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), whose values are self-delimiting,
so that different requests have different bytes. Values with integers of more than 64 bits are hashed as JSON, whose
first byte never begins the MessagePack.
"""

import hashlib
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec.structs import replace

from perpend.config.schema import Config
from perpend.solve import Prepared
from perpend.types import Limits, Sampling

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_encode_any = msgspec.json.Encoder(enc_hook=str).encode


def config_key(config: Config) -> bytes:
    """Hashes Perpend's version and the config of models, providers, aliases, verifiers, defaults and engine."""
    says = (
        version("perpend"),
        config.models,
        config.providers,
        config.aliases,
        config.verifiers,
        config.defaults,
        config.engine,
    )
    return _hash(says)


def request_key(prepared: Prepared, key_id: str | None, config: bytes) -> bytes:
    """Hashes a request; `config` is the `config_key`. The deadline is omitted, since only complete answers are kept."""
    return _hash(_asked(prepared, key_id, config))


def _hash(said: tuple[Any, ...]) -> bytes:
    try:
        encoded = _encode(said)
    except OverflowError:
        encoded = _encode_any(said)
    return hashlib.sha256(encoded).digest()


def _asked(prepared: Prepared, key_id: str | None, config: bytes) -> tuple[Any, ...]:
    request, model, plan = prepared.request, prepared.model, prepared.plan
    limits = request.limits
    return (
        key_id,
        config,
        (model.name, model.provider, model.upstream_name, model.family.name, model.weights_version()),
        (request.effort, prepared.effort, plan.effort, prepared.budget),
        limits if limits.deadline_ms is None else _untimed(limits),
        (request.strategy, request.verifier),
        request.output_spec,
        _unhinted(request.sampling),
        request.provider_options,
        request.visibility,
        request.messages,
    )


def _untimed(limits: Limits) -> Limits:
    return replace(limits, deadline_ms=None)


def _unhinted(sampling: Sampling) -> Sampling:
    """Returns the sampling without fields for a vendor's prompt cache, which don't affect the answer."""
    if sampling.cache_control is sampling.prompt_cache_key is None:
        return sampling
    return replace(sampling, cache_control=None, prompt_cache_key=None)
