"""The ASGI application: a path and a method find their handler, and every error finds its answer."""

import re
from typing import Protocol

from perpend.config.schema import Config
from perpend.errors import MethodNotAllowed, NotFound, PerpendError, UpgradeRefused
from perpend.observability.metrics import Metrics
from perpend.registry import nearest
from perpend.serving import errors
from perpend.serving.admission import Admission, AdmittingSolver
from perpend.serving.admission.admitting import GatedRuntime
from perpend.serving.asgi import ClientGone, Handler, Receive, Scope, Send
from perpend.serving.auth import Auth
from perpend.serving.completions import Completions, Counting
from perpend.serving.conversations import Conversations
from perpend.serving.cors import Cors
from perpend.serving.dialects.anthropic import AnthropicDialect
from perpend.serving.dialects.openai_chat import OpenAIChatDialect
from perpend.serving.dialects.openai_completions import OpenAICompletions
from perpend.serving.dialects.openai_responses import Compacting, Kept, OpenAIResponsesDialect, Talks
from perpend.serving.embeddings import Embeddings
from perpend.serving.info import MODELS_PATH, Info, ListedModels, Readiness
from perpend.serving.response_writer import refuse
from perpend.serving.responses import RESPONSES_PATH, InputTokens, Responses, Stored
from perpend.serving.sealing import Sealing, Seals

_UPGRADE = (b"upgrade", b"websocket")
"""Codex goes on over HTTP at once, for the status that answers this alone."""


class House(GatedRuntime, Protocol):
    """What of the runtime the application needs."""

    @property
    def config(self) -> Config: ...

    @property
    def models(self) -> ListedModels: ...

    @property
    def responses(self) -> Kept: ...

    @property
    def conversations(self) -> Talks: ...


class App:
    """Plain ASGI, without a framework: the hot path is one look-up."""

    def __init__(
        self,
        house: House,
        auth: Auth,
        metrics: Metrics,
        readiness: Readiness,
        seals: Seals,
        admission: Admission | None = None,
    ) -> None:
        """`admission`: None: requests are answered as they come."""
        self._metrics = metrics
        if admission is not None:
            metrics.registry.register(admission.metrics)
        solver = Sealing(house if admission is None else AdmittingSolver(house, admission), seals)
        config = house.config
        info = Info(config, house.models, auth, metrics, readiness)
        chat = Completions(OpenAIChatDialect(), solver, config, auth, metrics)
        messages = Completions(AnthropicDialect(), solver, config, auth, metrics)
        count_tokens = Counting(AnthropicDialect(), solver, config, auth, metrics)
        dialect = OpenAIResponsesDialect(house.responses, house.conversations)
        compacting = Compacting(house.responses, house.conversations)
        responses = Responses(dialect, solver, config, auth, metrics)
        self._background = responses.background
        stored = Stored(dialect, responses.background, auth)
        self._routes: dict[str, dict[str, Handler]] = {
            "/v1/chat/completions": {"POST": chat},
            "/v1/completions": {"POST": Completions(OpenAICompletions(), solver, config, auth, metrics)},
            "/v1/embeddings": {"POST": Embeddings(house, config, auth, metrics)},
            "/v1/messages": {"POST": messages},
            "/v1/messages/count_tokens": {"POST": count_tokens},
            RESPONSES_PATH: {"POST": responses},
            f"{RESPONSES_PATH}/compact": {"POST": Completions(compacting, solver, config, auth, metrics)},
            f"{RESPONSES_PATH}/input_tokens": {"POST": InputTokens(dialect, solver, config, auth, metrics)},
            MODELS_PATH: _get(info.models),
            "/": _get(info.healthz),
            "/healthz": _get(info.healthz),
            "/readyz": _get(info.readyz),
            "/metrics": _get(info.metrics),
            "/openapi.json": _get(info.openapi),
        }

        self._cors = Cors(config.serve.cors_origins) if config.serve.cors_origins else None
        named = {MODELS_PATH + "/.+": _get(info.models)}
        by_id = named | stored.routes | Conversations(dialect, config, auth).routes
        self._by_id = [(_pattern(path), methods) for path, methods in by_id.items()]

    async def aclose(self) -> None:
        """End what goes on in the background."""
        await self._background.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._cors is not None:
            send = self._cors.telling(scope, send)
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
        """The methods of a path with ids in it; its handler finds these under `path_params`."""
        for pattern, methods in self._by_id:
            if match := pattern.fullmatch(scope["path"]):
                scope["path_params"] = match.groupdict()
                return methods
        return None


def _pattern(path: str) -> re.Pattern[str]:
    """The path as a pattern, in which `{id}` stands for what is between two slashes."""
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "/?")


def _get(handler: Handler) -> dict[str, Handler]:
    return {"GET": handler, "HEAD": handler}


def _no_such_path(path: str, known: list[str]) -> NotFound:
    close = nearest(path, known)
    hint = f"did you mean {close}?" if close else f"there are {', '.join(known)}"
    return NotFound(f"no such path: {path[:200]}", hint=hint)
