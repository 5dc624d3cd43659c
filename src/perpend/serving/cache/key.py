"""What makes two requests the same, as a hash: whoever asks, what is asked, and everything that an answer depends on.

What is hashed is MessagePack, in which every value says where it ends: two requests that differ in anything have
different bytes. What has numbers of more than 64 bits is hashed as JSON, whose first byte is never MessagePack's.
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
    """Of all that the config and this version say of models, providers, aliases, verifiers and defaults."""
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
    """`config` is its `config_key`. The deadline isn't a part of it: an answer that is kept was whole."""
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
    """Without what is for a vendor's prompt cache: the answer doesn't depend on it."""
    if sampling.cache_control is sampling.prompt_cache_key is None:
        return sampling
    return replace(sampling, cache_control=None, prompt_cache_key=None)
