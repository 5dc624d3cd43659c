"""`POST /v1/embeddings`: passed on to providers that have them, or made by a packaged model."""

from typing import Protocol

from perpend.config.schema import Config
from perpend.errors import Overloaded, PerpendError
from perpend.observability.metrics import Metrics
from perpend.serving.asgi import JSON, Receive, Scope, Send, read_body, respond
from perpend.serving.auth import Auth
from perpend.serving.dialects.openai_embeddings import body_of, parse
from perpend.serving.out import refuse, request_id_header
from perpend.types import Embedded, EmbeddingRequest


class Embedder(Protocol):
    """What of the runtime makes embeddings."""

    async def embed(self, request: EmbeddingRequest, *, key_id: str | None = None) -> Embedded: ...


class Embeddings:
    def __init__(self, embedder: Embedder, config: Config, auth: Auth, metrics: Metrics) -> None:
        self._embedder = embedder
        self._config = config
        self._auth = auth
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics = self._metrics
        try:
            key = self._auth.check(scope)
            if metrics.in_flight >= self._config.serve.max_concurrent:
                raise Overloaded("too many requests are being answered already", retry_after=1, hint="retry")
            metrics.in_flight += 1
            try:
                parsed = parse(await read_body(receive, self._config.serve.max_body_bytes), self._config)
                made = await self._embedder.embed(parsed.request, key_id=None if key is None else key.id)
            finally:
                metrics.in_flight -= 1
        except PerpendError as error:
            metrics.failed(error.code)
            await refuse(send, error)
        else:
            metrics.embedded(parsed.request.model, made, parsed.ignored)
            await respond(send, 200, body_of(made, parsed), [JSON, request_id_header(made.request_id)])
