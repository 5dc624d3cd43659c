"""`POST /v1/embeddings`: embeddings by a provider or a packaged model."""

from typing import Protocol

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.observability.metrics import Metrics
from perpend.serving import errors
from perpend.serving.asgi import Receive, Scope, Send, read_body
from perpend.serving.auth import Auth
from perpend.serving.dialects.openai_embeddings import body_of, parse
from perpend.serving.response_writer import refuse, send_json
from perpend.types import EmbeddingRequest, EmbeddingResult


class Embedder(Protocol):
    """The part of the runtime that makes embeddings."""

    async def embed(self, request: EmbeddingRequest, *, key_id: str | None = None) -> EmbeddingResult:
        """The vectors of the request's texts. Raises PerpendError."""
        ...


class Embeddings:
    """The endpoint, which also answers errors."""

    def __init__(self, embedder: Embedder, config: Config, auth: Auth, metrics: Metrics) -> None:
        self._embedder = embedder
        self._config = config
        self._auth = auth
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics = self._metrics
        try:
            key_id = self._auth.owner(scope)
            if metrics.in_flight >= self._config.serve.max_concurrent:
                raise errors.overloaded(self._config.serve.max_concurrent)
            metrics.in_flight += 1
            try:
                parsed = parse(await read_body(receive, self._config.serve.max_body_bytes), self._config)
                result = await self._embedder.embed(parsed.request, key_id=key_id)
            finally:
                metrics.in_flight -= 1
        except PerpendError as error:
            metrics.failed(error.code)
            await refuse(send, error)
        else:
            metrics.embedded(parsed.request.model, result, parsed.ignored)
            await send_json(send, body_of(result, parsed), result.request_id)
