"""The endpoint of a dialect: read a body, parse and solve the request, send the answer whole or streamed."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol

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
from perpend.serving.limits.limiter import Limiter
from perpend.serving.named_models import models_named
from perpend.serving.response_writer import StreamWriter, WholeWriter, refuse, send_json
from perpend.solve import Sink
from perpend.types import Answer, Request


class Solver(Protocol):
    """The part of the runtime that answers requests."""

    async def check(self, request: Request) -> None:
        """Check a request that is answered later. Raises the PerpendError that would keep it from starting."""
        ...

    async def solve(
        self, request: Request, sink: Sink | None = None, *, key_id: str | None = None, source: str = "chat"
    ) -> Answer:
        """The answer; its events go to `sink` as they come. Raises PerpendError."""
        ...

    async def count_input(self, request: Request) -> int:
        """The number of tokens of the prompt. Raises PerpendError."""
        ...


class Completions(Generic[P]):
    """The endpoint of one dialect."""

    def __init__(
        self,
        dialect: Dialect[P],
        solver: Solver,
        config: Config,
        auth: Auth,
        metrics: Metrics,
        limiter: Limiter,
    ) -> None:
        self._dialect = dialect
        self._limiter = limiter
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
                if user := self._limiter.user_of(scope):
                    parsed = replace(parsed, request=replace(parsed.request, user=user))
                await self.answer(parsed, key_id, receive, send)
            finally:
                metrics.in_flight -= 1
        except PerpendError as error:
            metrics.failed(error.code)
            await refuse(send, error, failure=self._dialect.failure)

    def _refuse_files(self, request: Request) -> None:
        """Refuse paths of GGUF files, which only the command line may load. Raises NotFound."""
        for model in models_named(request):
            if not model.endswith(".gguf") or model == self._config.defaults.model:
                continue
            if model.startswith(PREFIX):  # pulled weights
                continue
            if model not in self._config.models:
                hint = "GET /v1/models lists them; serve a file with `perpend serve --model PATH`"
                raise NotFound("this model isn't served here", hint=hint, field="model")

    async def answer(self, parsed: P, key_id: str | None, receive: Receive, send: Send) -> None:
        """Solve the request, and send its answer or error."""
        dialect, metrics = self._dialect, self._metrics
        headers = partial(self._limiter.headers, key_id, parsed.request.user)
        if parsed.stream:
            writer = StreamWriter(send, dialect.failure, dialect.stream(parsed), parsed.keep, headers)
        else:
            writer = WholeWriter(send, dialect.failure, headers)
        watch = DisconnectWatch(receive, writer.keep_alive)
        try:
            with watch:
                answer = await self._solver.solve(
                    parsed.request, writer.sink, key_id=key_id, source=dialect.source
                )
                if parsed.keep is not None and not parsed.stream:
                    await parsed.keep(answer)
        except asyncio.CancelledError:
            metrics.cancelled(writer.plan)
            if not watch.gone:  # the server stops, and its grace period is over
                await writer.fail(Overloaded("the server is stopping", retry_after=1, hint="send it again"))
        except PerpendError as error:
            metrics.failed(error.code, writer.plan)
            await writer.fail(error)
        except Exception as error:
            metrics.failed("internal_error", writer.plan)
            await writer.fail(errors.unexpected(error))
        else:
            metrics.answered(answer, writer.first_token_s)
            if not parsed.stream:
                await writer.finish(dialect.whole(answer, parsed))


class TokenCounter(Completions[P]):
    """Counts a request's prompt tokens instead of answering it."""

    count_body: Callable[[int], Struct] = TokenCount
    """The dialect's response body for a number of tokens."""

    async def answer(self, parsed: P, key_id: str | None, receive: Receive, send: Send) -> None:
        """Count the prompt's tokens, and send the count. Raises PerpendError."""
        count = await self._solver.count_input(parsed.request)
        await send_json(send, msgspec.json.encode(self.count_body(count)))
