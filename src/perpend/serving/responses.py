"""The endpoints of `/v1/responses`: answered now, answered in the background, asked for again."""

import asyncio

import msgspec

from perpend.config.schema import Config
from perpend.errors import PerpendError
from perpend.observability.metrics import Metrics
from perpend.serving import errors
from perpend.serving.asgi import JSON, Receive, Scope, Send, respond
from perpend.serving.auth import Auth
from perpend.serving.completions import Completions, Solver
from perpend.serving.dialects.openai_responses import OpenAIResponses
from perpend.serving.dialects.openai_responses_answer import failed, failure_of, unfinished
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import ResponseBody
from perpend.serving.dialects.report import encode
from perpend.serving.out import request_id_header

RESPONSES_PATH = "/v1/responses"
_STOPPED = PerpendError("the server stopped before the answer was made", hint="send the request again")


class Background:
    """Requests that nobody waits for: they count among those that are answered at a time, and live as long as
    this process. What is stored says how they ended.
    """

    def __init__(self, dialect: OpenAIResponses, solver: Solver, metrics: Metrics) -> None:
        self._dialect = dialect
        self._solver = solver
        self._metrics = metrics
        self._running: dict[str, asyncio.Task[None]] = {}

    async def start(self, parsed: ResponsesParsed) -> ResponseBody:
        """Raises StorageError; it is then not under way."""
        queued = unfinished(parsed, "queued")
        await self._dialect.store(queued, parsed)
        task = asyncio.create_task(self._run(parsed))
        self._running[parsed.id] = task
        task.add_done_callback(lambda _: self._running.pop(parsed.id, None))
        return queued

    def runs(self, id_: str) -> bool:
        return id_ in self._running

    async def aclose(self) -> None:
        """End what is under way; it is stored as failed."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, parsed: ResponsesParsed) -> None:
        metrics, dialect = self._metrics, self._dialect
        metrics.in_flight += 1
        try:
            answer = await self._solver.solve(
                parsed.request, None, key_id=parsed.key_id, source=dialect.source
            )
            await dialect.keep(parsed, answer)
            metrics.answered(answer, None)
        except asyncio.CancelledError:
            metrics.cancelled(None)
            await dialect.store(failed(_STOPPED, parsed), parsed)
        except PerpendError as error:
            metrics.failed(error.code)
            await dialect.store(failed(error, parsed), parsed)
        except Exception as error:
            metrics.failed("internal_error")
            await dialect.store(failed(errors.unexpected(error), parsed), parsed)
        finally:
            metrics.in_flight -= 1


class Responses(Completions[ResponsesParsed]):
    """`POST /v1/responses`."""

    def __init__(
        self,
        dialect: OpenAIResponses,
        solver: Solver,
        config: Config,
        auth: Auth,
        metrics: Metrics,
    ) -> None:
        super().__init__(dialect, solver, config, auth, metrics)
        self.background = Background(dialect, solver, metrics)

    async def answer(self, parsed: ResponsesParsed, key_id: str | None, receive: Receive, send: Send) -> None:
        if not parsed.echo.background:
            await super().answer(parsed, key_id, receive, send)
            return
        queued = await self.background.start(parsed)
        await respond(send, 200, encode(queued), [JSON, request_id_header(None)])


class Stored:
    """`GET /v1/responses/{id}`."""

    def __init__(self, dialect: OpenAIResponses, background: Background, auth: Auth) -> None:
        self._dialect = dialect
        self._background = background
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._auth.check(scope)
        key_id = None if key is None else key.id
        row = self._dialect.get(scope["path"].removeprefix(RESPONSES_PATH).strip("/"), key_id, "id")
        body = row.body
        if row.status == "queued":
            stored = msgspec.json.decode(body)
            if self._background.runs(row.id):
                stored["status"] = "in_progress"
            else:  # another process was to make it, and is gone
                stored |= {"status": "failed", "error": msgspec.to_builtins(failure_of(_STOPPED))}
            body = msgspec.json.encode(stored)
        await respond(send, 200, body, [JSON, request_id_header(None)])
