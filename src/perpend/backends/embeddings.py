"""Embeddings, as servers have them in OpenAI's shape beside the wire for their chats (API reference: embeddings)."""

from typing import Any

import msgspec
from msgspec import Struct

from perpend.backends.contract import Upstream
from perpend.errors import BadRequest, UpstreamError
from perpend.transport.failures import malformed
from perpend.types import EmbeddingRequest, EmbeddingResult, Usage

_PATHS = {
    "openai_chat": "/embeddings",
    "openai_responses": "/embeddings",
    "raw_completion": "/embeddings",
    "ollama": "/v1/embeddings",
}
"""By wire: where its servers have them."""


class _Vector(Struct):
    embedding: list[float]
    index: int = 0


class _Usage(Struct):
    prompt_tokens: int = 0


class _Body(Struct):
    data: list[_Vector]
    model: str | None = None
    usage: _Usage | None = None


async def embed(upstream: Upstream, model: str, asked: EmbeddingRequest) -> EmbeddingResult:
    """`model` is the name that the provider knows it by. Raises BadRequest where its wire has none, UpstreamError."""
    provider = upstream.provider
    if (path := _PATHS.get(provider.wire)) is None:
        hint = f"ask a model of a provider whose wire is one of {', '.join(_PATHS)}"
        raise BadRequest(
            f"{provider.name} makes no embeddings over {provider.wire}", hint=hint, field="model"
        )
    body: dict[str, Any] = {"model": model, "input": asked.input}
    if asked.dimensions is not None:
        body["dimensions"] = asked.dimensions
    url = f"{await upstream.url()}{path}"
    said = await upstream.http.post_json(url, msgspec.json.encode(body), upstream.account)
    try:
        told = msgspec.json.decode(said, type=_Body)
    except ValueError as error:
        raise malformed(provider.name, error) from error
    if len(told.data) != asked.count:
        raise UpstreamError(f"{provider.name} sent {len(told.data)} embeddings of {asked.count}")
    vectors = tuple([one.embedding for one in sorted(told.data, key=lambda one: one.index)])
    tokens = told.usage.prompt_tokens if told.usage else 0
    return EmbeddingResult(vectors, Usage(input=tokens), told.model or model)
