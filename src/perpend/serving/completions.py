"""The way of one request through the house: body, request, solve, answer, whole or streamed."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from perpend.config.schema import Config
from perpend.engine.hub import PREFIX
from perpend.errors import NotFound, Overloaded, PerpendError
from perpend.observability.metrics import Metrics
from perpend.serving import errors
from perpend.serving.asgi import Receive, Scope, Send, read_body
from perpend.serving.auth import Auth
from perpend.serving.defaults import with_defaults
from perpend.serving.dialects.anthropic_schema import TokenCount
from perpend.serving.dialects.contract import Dialect, P
from perpend.serving.disconnect import DisconnectWatch
from perpend.serving.response_writer import Streamed, Whole, refuse, send_json
from perpend.solve import Sink
from perpend.types import Answer, Request


class Solver(Protocol):
    """What of the runtime answers requests."""

    async def check(self, request: Request) -> None:
        """Of one that is answered later: raises what would keep it from being begun."""
        ...

    async def solve(
        self, request: Request, sink: Sink | None = None, *, key_id: str | None = None, source: str = "chat"
    ) -> Answer:
        """Raises PerpendError."""
        ...

    async def count_input(self, request: Request) -> int:
        """Tokens of the prompt. Raises PerpendError."""
        ...


class Completions(Generic[P]):
    """The endpoint of one dialect."""

    def __init__(
        self, dialect: Dialect[P], solver: Solver, config: Config, auth: Auth, metrics: Metrics
    ) -> None:
        self._dialect = dialect
        self._solver = solver
        self._config = config
        self._auth = auth
        self._metrics = metrics
        self._limit = config.serve.max_concurrent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics = self._metrics
        try:
            key = self._auth.check(scope)
            key_id = None if key is None else key.id
            if metrics.in_flight >= self._limit:
                raise errors.overloaded(self._limit)
            metrics.in_flight += 1
            try:
                body = await read_body(receive, self._config.serve.max_body_bytes)
                parsed = self._dialect.parse(body, self._config, key_id)
                self._refuse_files(parsed.request)
                if key is not None:
                    parsed = replace(parsed, request=with_defaults(parsed.request, key))
                await self.answer(parsed, key_id, receive, send)
            finally:
                metrics.in_flight -= 1
        except PerpendError as error:
            metrics.failed(error.code)
            await refuse(send, error, failure=self._dialect.failure)

    def _refuse_files(self, request: Request) -> None:
        """A path to a GGUF is for the command line: a client doesn't choose which files are loaded."""
        for model in _models_of(request):
            if not model.endswith(".gguf") or model == self._config.defaults.model:
                continue
            if model.startswith(PREFIX):  # among the weights, where it was pulled to
                continue
            if model not in self._config.models:
                hint = "GET /v1/models lists them; serve a file with `perpend serve --model PATH`"
                raise NotFound("this model isn't served here", hint=hint, field="model")

    async def answer(self, parsed: P, key_id: str | None, receive: Receive, send: Send) -> None:
        """Solve it, and send what comes, errors too."""
        dialect, metrics = self._dialect, self._metrics
        if parsed.stream:
            out = Streamed(send, dialect.failure, dialect.stream(parsed), parsed.keep)
        else:
            out = Whole(send, dialect.failure)
        watch = DisconnectWatch(receive, out.keep_alive)
        try:
            with watch:
                answer = await self._solver.solve(
                    parsed.request, out.sink, key_id=key_id, source=dialect.source
                )
                if parsed.keep is not None and not parsed.stream:
                    await parsed.keep(answer)
        except asyncio.CancelledError:
            metrics.cancelled(out.plan)
            if not watch.gone:  # the server stops, and has waited for us long enough
                await out.fail(Overloaded("the server is stopping", retry_after=1, hint="send it again"))
        except PerpendError as error:
            metrics.failed(error.code, out.plan)
            await out.fail(error)
        except Exception as error:
            metrics.failed("internal_error", out.plan)
            await out.fail(errors.unexpected(error))
        else:
            metrics.answered(answer, out.first_token_s)
            if not parsed.stream:
                await out.finish(dialect.whole(answer, parsed))


def _models_of(request: Request) -> Iterator[str]:
    """Those that answer, and those that judge or stand on a cascade's rungs."""
    if request.model is not None:
        yield request.model
    for verifier in (request.verifier, request.strategy.verifier):
        if verifier is not None and isinstance(model := verifier.options.get("model"), str):
            yield model
    yield from _named(request.strategy.options)


def _named(options: dict[str, Any]) -> Iterator[str]:
    """Those in a strategy's options, and in those of strategies inside, nested as deep as `strategy_spec` allows."""
    for name, value in options.items():
        if name in ("model", "models"):
            yield from _texts(value)
        elif isinstance(value, dict):
            yield from _named(cast("dict[str, Any]", value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _texts(one)


class Counting(Completions[P]):
    """Counts a request's prompt tokens in place of answering it."""

    count_body: Callable[[int], Struct] = TokenCount
    """The dialect's body for a number of tokens."""

    async def answer(self, parsed: P, key_id: str | None, receive: Receive, send: Send) -> None:
        """Raises PerpendError."""
        count = await self._solver.count_input(parsed.request)
        await send_json(send, msgspec.json.encode(self.count_body(count)))
