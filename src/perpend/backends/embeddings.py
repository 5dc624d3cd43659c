"""Embeddings in OpenAI's format, which servers of several wires have.

Reference: https://platform.openai.com/docs/api-reference/embeddings/create
"""

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
"""Wire -> path of its servers' embeddings."""


class _Request(Struct, omit_defaults=True):
    model: str
    input: str | list[str] | list[int] | list[list[int]]
    dimensions: int | None = None


class _Vector(Struct):
    embedding: list[float]
    index: int = 0


class _Usage(Struct):
    prompt_tokens: int = 0


class _Response(Struct):
    data: list[_Vector]
    model: str | None = None
    usage: _Usage | None = None


async def embed(upstream: Upstream, model: str, request: EmbeddingRequest) -> EmbeddingResult:
    """Embeds texts; `model` is the provider's name for it.

    Raises BadRequest where its wire has no embeddings, and UpstreamError.
    """
    provider = upstream.provider
    if (path := _PATHS.get(provider.wire)) is None:
        hint = f"ask a model of a provider whose wire is one of {', '.join(_PATHS)}"
        raise BadRequest(
            f"{provider.name} makes no embeddings over {provider.wire}", hint=hint, field="model"
        )
    body = msgspec.json.encode(_Request(model, request.input, request.dimensions))
    url = f"{await upstream.url()}{path}"
    answer = await upstream.http.post_json(url, body, upstream.account)
    try:
        response = msgspec.json.decode(answer, type=_Response)
    except ValueError as error:
        raise malformed(provider.name, error) from error
    if len(response.data) != request.count:
        raise UpstreamError(f"{provider.name} sent {len(response.data)} embeddings of {request.count}")
    in_order = sorted(response.data, key=lambda vector: vector.index)
    vectors = tuple([vector.embedding for vector in in_order])
    tokens = response.usage.prompt_tokens if response.usage else 0
    return EmbeddingResult(vectors, Usage(input=tokens), response.model or model)
