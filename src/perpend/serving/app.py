"""The ASGI application: routes a path and a method to a handler, and answers every error."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from perpend.config.schema import Config
from perpend.errors import MethodNotAllowed, NotFound, PerpendError, UpgradeRefused
from perpend.observability.metrics import Metrics
from perpend.registry import nearest
from perpend.serving import errors
from perpend.serving.admission import Admission, AdmittingSolver
from perpend.serving.asgi import ClientGone, Handler, Receive, Scope, Send
from perpend.serving.auth import Auth
from perpend.serving.completions import Completions, TokenCounter
from perpend.serving.conversations import Conversations
from perpend.serving.cors import Cors
from perpend.serving.dialects.anthropic import AnthropicDialect
from perpend.serving.dialects.openai_chat import OpenAIChatDialect
from perpend.serving.dialects.openai_completions import OpenAICompletions
from perpend.serving.dialects.openai_responses import (
    CompactionDialect,
    ConversationRows,
    OpenAIResponsesDialect,
    ResponseRows,
)
from perpend.serving.embeddings import Embeddings
from perpend.serving.info import MODELS_PATH, Info, ListedModels, Readiness
from perpend.serving.limits.limited import GatedSolver, LimitedSolver
from perpend.serving.limits.limiter import Limiter
from perpend.serving.response_writer import refuse
from perpend.serving.responses import RESPONSES_PATH, InputTokens, Responses, StoredResponses
from perpend.serving.sealing import SealingSolver, Seals
from perpend.serving.workers.peers import Peers

_UPGRADE = (b"upgrade", b"websocket")
"""The header of a WebSocket request. On the status of UpgradeRefused, Codex falls back to HTTP at once."""


Routes = Mapping[str, dict[str, Handler]]
"""Handlers by path and method."""


class AppRuntime(GatedSolver, Protocol):
    """The parts of the runtime that the application needs."""

    @property
    def config(self) -> Config: ...

    @property
    def models(self) -> ListedModels: ...

    @property
    def responses(self) -> ResponseRows: ...

    @property
    def conversations(self) -> ConversationRows: ...


class App:
    """Plain ASGI without a framework: routing is one dictionary look-up."""

    def __init__(
        self,
        runtime: AppRuntime,
        auth: Auth,
        metrics: Metrics,
        readiness: Readiness,
        seals: Seals,
        limiter: Limiter,
        admin: Routes = MappingProxyType({}),
        admission: Admission | None = None,
    ) -> None:
        """`admin`: the routes of keys and limits, where there is a store to keep them in. `admission`: None: requests
        are answered as they come.
        """
        self._metrics = metrics
        self._limiter = limiter
        if admission is not None:
            metrics.registry.register(admission.metrics)
        admitted = runtime if admission is None else AdmittingSolver(runtime, admission)
        limited = LimitedSolver(admitted, limiter)
        config, solver = runtime.config, SealingSolver(limited, seals)
        self._info = info = Info(config, runtime.models, auth, metrics, readiness)
        chat = Completions(OpenAIChatDialect(), solver, config, auth, metrics, limiter)
        messages = Completions(AnthropicDialect(), solver, config, auth, metrics, limiter)
        count_tokens = TokenCounter(AnthropicDialect(), solver, config, auth, metrics, limiter)
        dialect = OpenAIResponsesDialect(runtime.responses, runtime.conversations)
        compaction = CompactionDialect(runtime.responses, runtime.conversations)
        responses = Responses(dialect, solver, config, auth, metrics, limiter)
        self._background = responses.background
        stored = StoredResponses(dialect, responses.background, auth)
        self._routes: dict[str, dict[str, Handler]] = {
            "/v1/chat/completions": {"POST": chat},
            "/v1/completions": {
                "POST": Completions(OpenAICompletions(), solver, config, auth, metrics, limiter)
            },
            "/v1/embeddings": {"POST": Embeddings(limited, config, auth, metrics)},
            "/v1/messages": {"POST": messages},
            "/v1/messages/count_tokens": {"POST": count_tokens},
            RESPONSES_PATH: {"POST": responses},
            f"{RESPONSES_PATH}/compact": {
                "POST": Completions(compaction, solver, config, auth, metrics, limiter)
            },
            f"{RESPONSES_PATH}/input_tokens": {
                "POST": InputTokens(dialect, solver, config, auth, metrics, limiter)
            },
            MODELS_PATH: _get(info.models),
            "/": _get(info.healthz),
            "/healthz": _get(info.healthz),
            "/readyz": _get(info.readyz),
            "/metrics": _get(info.metrics),
            "/openapi.json": _get(info.openapi),
        }

        self._cors = Cors(config.serve.cors_origins) if config.serve.cors_origins else None
        by_name = {MODELS_PATH + "/.+": _get(info.models)}
        by_id = by_name | stored.routes | Conversations(dialect, config, auth).routes | dict(admin)
        self._by_id = [(_pattern(path), methods) for path, methods in by_id.items()]

    def join(self, peers: Peers) -> None:
        """Share metrics and background responses with the other workers."""
        self._info.join(peers)
        self._background.join(peers)

    async def aclose(self) -> None:
        """Stop the background requests."""
        await self._background.aclose()
        await self._limiter.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._cors is not None:
            send = self._cors.with_headers(scope, send)
        try:
            await self._handler(scope)(scope, receive, send)
        except ClientGone:
            return
        except PerpendError as error:
            self._metrics.failed(error.code)
            await refuse(send, error)
        except Exception as error:
            self._metrics.failed("internal_error")
            await refuse(send, errors.unexpected(error))

    def _handler(self, scope: Scope) -> Handler:
        path: str = scope["path"]
        if self._cors is not None and scope["method"] == "OPTIONS":
            return self._cors.preflight
        methods = self._routes.get(path) or self._routes.get(path.rstrip("/"))
        if methods is None:
            methods = self._find(scope)
            if methods is None:
                raise _no_such_path(path, list(self._routes))
        handler = methods.get(scope["method"])
        if handler is None:
            if _UPGRADE in scope["headers"]:
                raise UpgradeRefused("no WebSocket is served here", hint="send the same over HTTP")
            allowed = ", ".join(methods)
            raise MethodNotAllowed(f"{scope['method']} isn't for {path}", hint=f"use {allowed}")
        return handler

    def _find(self, scope: Scope) -> dict[str, Handler] | None:
        """The methods of a path with ids in it, which go to the handler as `path_params`."""
        for pattern, methods in self._by_id:
            if match := pattern.fullmatch(scope["path"]):
                scope["path_params"] = match.groupdict()
                return methods
        return None


def _pattern(path: str) -> re.Pattern[str]:
    """The path as a pattern in which `{id}` matches one segment."""
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "/?")


def _get(handler: Handler) -> dict[str, Handler]:
    return {"GET": handler, "HEAD": handler}


def _no_such_path(path: str, known: list[str]) -> NotFound:
    close = nearest(path, known)
    hint = f"did you mean {close}?" if close else f"there are {', '.join(known)}"
    return NotFound(f"no such path: {path[:200]}", hint=hint)
