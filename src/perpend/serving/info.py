"""The small endpoints: which models there are, whether the server lives and is ready, metrics, its API."""

import time
from collections.abc import Callable
from functools import cached_property

import msgspec
from msgspec import Struct

from perpend.config.schema import Config
from perpend.errors import NotFound, PerpendError
from perpend.observability.metrics import CONTENT_TYPE, Metrics
from perpend.registry import nearest
from perpend.serving.asgi import JSON, Receive, Scope, Send, respond
from perpend.serving.auth import Auth, is_loopback

MODELS_PATH = "/v1/models"


class ModelRow(Struct, frozen=True, kw_only=True):
    id: str
    object: str = "model"
    created: int
    owned_by: str


class ModelList(Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[ModelRow]


class Status(Struct, frozen=True):
    status: str
    reason: str | None = None


class Readiness:
    """Whether requests can be answered; `waiting_for` says in words what is still missing."""

    def __init__(self, check_store: Callable[[], None], waiting_for: str | None = None) -> None:
        """`check_store` raises PerpendError when no ledger row could be written."""
        self.waiting_for = waiting_for
        self._check_store = check_store

    def problem(self) -> str | None:
        try:
            self._check_store()
        except PerpendError as error:
            return error.message
        return self.waiting_for


class Info:
    """Their handlers."""

    def __init__(
        self,
        config: Config,
        names: Callable[[], list[str]],
        auth: Auth,
        metrics: Metrics,
        readiness: Readiness,
    ) -> None:
        self._config = config
        self._named = names
        self._auth = auth
        self._metrics = metrics
        self._readiness = readiness
        self._since = int(time.time())

    async def models(self, scope: Scope, receive: Receive, send: Send) -> None:
        """All models, or the one that the path names; where a key has a model, that one by whatever name."""
        key = self._auth.check(scope)
        name = scope["path"].removeprefix(MODELS_PATH).strip("/")
        names = list(dict.fromkeys([self._config.defaults.model, *self._named()]))
        if key is not None and key.model:
            names = [name or key.model]
        if not name:
            await _json(send, ModelList(data=[self._row(one) for one in names]))
        elif name in names:
            await _json(send, self._row(name))
        else:
            close = nearest(name, names)
            hint = f"did you mean {close!r}?" if close else f"GET {MODELS_PATH} lists them"
            raise NotFound(f"unknown model {name[:80]!r}", hint=hint, field="model")

    async def healthz(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _json(send, Status("ok"))

    async def readyz(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._readiness.problem()
        if reason is None:
            await _json(send, Status("ready"))
        else:
            await _json(send, Status("not ready", reason), 503)

    async def metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open to this machine; from elsewhere like everything else."""
        client: tuple[str, int] | None = scope.get("client")
        if client is None or not is_loopback(client[0]):
            self._auth.check(scope)
        await respond(send, 200, self._metrics.scrape(), [(b"content-type", CONTENT_TYPE.encode())])

    async def openapi(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, self._openapi, [JSON])

    @cached_property
    def _openapi(self) -> bytes:
        from perpend.serving.openapi import document

        return msgspec.json.encode(document())

    def _row(self, name: str) -> ModelRow:
        configured = self._config.models.get(name)
        owner = configured.places[0].provider if configured else "embedded"
        return ModelRow(id=name, created=self._since, owned_by=owner)


async def _json(send: Send, value: Struct, status: int = 200) -> None:
    await respond(send, status, msgspec.json.encode(value), [JSON])
