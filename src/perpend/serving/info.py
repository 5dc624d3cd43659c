"""The small endpoints: models, health, readiness, metrics and the OpenAPI document."""

import datetime
import time
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import msgspec
from msgspec import Struct

from perpend.config.schema import Config, ModelConfig
from perpend.errors import NotFound, PerpendError
from perpend.observability.metrics import CONTENT_TYPE, Metrics
from perpend.registry import nearest
from perpend.serving.asgi import JSON, Receive, Scope, Send, respond
from perpend.serving.auth import Auth
from perpend.serving.info_schema import ModelInfo, ModelList, ModelPage, ModelRow, Status
from perpend.serving.openapi import document
from perpend.serving.pages import limit_of, query_of
from perpend.serving.workers.peers import Peers

MODELS_PATH = "/v1/models"
_MAX_PAGE = 1000
"""Rows of a page at most, as in Anthropic's API."""


class ListedModels(Protocol):
    """The runtime's models."""

    def names(self) -> list[str]:
        """The names of all configured models."""
        ...

    def configured(self, name: str) -> tuple[str, ModelConfig]:
        """The name and config of the model that a name or an alias means. Raises NotFound."""
        ...


class Readiness:
    """Whether the next request would be answered; `waiting_for` describes what the start still waits for."""

    def __init__(
        self,
        check_store: Callable[[], None],
        waiting_for: str | None = None,
        model: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`check_store` raises PerpendError when no ledger row can be written; `model` returns why the default model
        can't answer, or None.
        """
        self.waiting_for = waiting_for
        self._check_store = check_store
        self._model = model

    def problem(self) -> str | None:
        """Why requests can't be answered; None when they can."""
        try:
            self._check_store()
        except PerpendError as error:
            return error.client_message.message
        return self.waiting_for or self._model()


class Info:
    """The handlers of the small endpoints."""

    def __init__(
        self,
        config: Config,
        models: ListedModels,
        auth: Auth,
        metrics: Metrics,
        readiness: Readiness,
    ) -> None:
        self._config = config
        self._models = models
        self._auth = auth
        self._metrics = metrics
        self._readiness = readiness
        self._peers: Peers | None = None
        self._since = int(time.time())

    def join(self, peers: Peers) -> None:
        """Tell the metrics of all workers."""
        self._peers = peers

    async def models(self, scope: Scope, receive: Receive, send: Send) -> None:
        """All models, or the one that the path names; a key with a model gets that one under any name.

        Raises Unauthenticated, NotFound, and BadRequest for a wrong page.
        """
        key = self._auth.check(scope)
        name = scope["path"].removeprefix(MODELS_PATH).strip("/")
        only = None if key is None else key.model
        names = [only] if only else list(dict.fromkeys([self._config.defaults.model, *self._models.names()]))
        if name:
            id_, row = (name, self._models.configured(only)[1]) if only else self._find(name, names)
            await _json(send, self._info(id_, row) if _is_anthropic(scope) else self._row(id_, row))
        elif _is_anthropic(scope):
            await _json(send, self._page(names, query_of(scope)))
        else:
            await _json(send, ModelList(data=[self._row(*self._models.configured(model)) for model in names]))

    def _find(self, name: str, names: list[str]) -> tuple[str, ModelConfig]:
        """The model that is listed, or that an alias or PROVIDER/MODEL names; no GGUF files. Raises NotFound."""
        try:
            if name in names or not name.endswith(".gguf"):
                return self._models.configured(name)
        except NotFound:
            pass
        close = nearest(name, names)
        hint = f"did you mean {close!r}?" if close else f"GET {MODELS_PATH} lists them"
        raise NotFound(f"unknown model {name[:80]!r}", hint=hint, field="model")

    def _page(self, names: list[str], query: dict[str, str]) -> ModelPage:
        """A page of models (https://docs.anthropic.com/en/api/models-list). Raises BadRequest naming the parameter."""
        limit = limit_of(query, _MAX_PAGE)
        begin, end = 0, len(names)
        if (after := query.get("after_id")) in names:
            begin = names.index(after) + 1
        if (before := query.get("before_id")) in names:
            end = names.index(before)
            begin = max(begin, end - limit)
        shown = names[begin : min(end, begin + limit)]
        more = begin > 0 if before in names else begin + len(shown) < len(names)
        data = [self._info(*self._models.configured(model)) for model in shown]
        first, last = (shown[0], shown[-1]) if shown else (None, None)
        return ModelPage(data=data, has_more=more, first_id=first, last_id=last)

    async def healthz(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The process lives: always 200."""
        await _json(send, Status("ok"))

    async def readyz(self, scope: Scope, receive: Receive, send: Send) -> None:
        """200 where requests can be answered, else 503 with the reason."""
        reason = self._readiness.problem()
        if reason is None:
            await _json(send, Status("ready"))
        else:
            await _json(send, Status("not ready", reason), 503)

    async def metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Prometheus metrics: open to programs on this machine, else with a key. Raises Unauthenticated."""
        if not self._auth.is_local(scope):
            self._auth.check(scope)
        text = self._metrics.scrape() if self._peers is None else await self._peers.scrape()
        await respond(send, 200, text, [(b"content-type", CONTENT_TYPE.encode())])

    async def openapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The OpenAPI document."""
        await respond(send, 200, self._openapi, [JSON])

    @cached_property
    def _openapi(self) -> bytes:
        return msgspec.json.encode(document())

    def _row(self, name: str, row: ModelConfig) -> ModelRow:
        return ModelRow(id=name, created=self._since, owned_by=row.all_deployments[0].provider)

    def _info(self, name: str, row: ModelConfig) -> ModelInfo:
        since = datetime.datetime.fromtimestamp(self._since, datetime.UTC)
        return ModelInfo(
            id=name, display_name=name, created_at=f"{since:%Y-%m-%dT%H:%M:%SZ}", max_input_tokens=row.context
        )


def _is_anthropic(scope: Scope) -> bool:
    """Whether the request is from one of Anthropic's clients."""
    names = {name for name, _ in scope["headers"]}
    return b"anthropic-version" in names or (b"x-api-key" in names and b"authorization" not in names)


async def _json(send: Send, value: Struct, status: int = 200) -> None:
    await respond(send, status, msgspec.json.encode(value), [JSON])
