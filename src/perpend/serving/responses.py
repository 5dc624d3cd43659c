"""The endpoints of `/v1/responses`: responses answered at once or in the background, and stored ones by id."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.observability.metrics import Metrics
from perpend.serving import sse
from perpend.serving.asgi import Handler, Receive, Scope, Send
from perpend.serving.auth import Auth
from perpend.serving.background import BackgroundRequests, abandoned, stored_events
from perpend.serving.completions import Completions, Solver, TokenCounter
from perpend.serving.dialects.openai_responses import OpenAIResponsesDialect
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import ResponseDeleted, ResponseTokens
from perpend.serving.dialects.report import encode
from perpend.serving.disconnect import DisconnectWatch
from perpend.serving.limits.limiter import Limiter
from perpend.serving.pages import number_of, page, query_of
from perpend.serving.response_writer import SSE_HEADERS, STALLED_S, request_id_header, send_json
from perpend.storage.rows import ResponseRow

RESPONSES_PATH = "/v1/responses"


class Responses(Completions[ResponsesParsed]):
    """`POST /v1/responses`: answers at once, or starts a background response."""

    def __init__(
        self,
        dialect: OpenAIResponsesDialect,
        solver: Solver,
        config: Config,
        auth: Auth,
        metrics: Metrics,
        limiter: Limiter,
    ) -> None:
        super().__init__(dialect, solver, config, auth, metrics, limiter)
        self.background = BackgroundRequests(dialect, solver, metrics)

    async def answer(self, parsed: ResponsesParsed, key_id: str | None, receive: Receive, send: Send) -> None:
        """Solve the request, or start it in the background. Raises PerpendError where that can't be started."""
        if not parsed.echo.background:
            await super().answer(parsed, key_id, receive, send)
            return
        queued = await self.background.start(parsed)
        log = self.background.log(parsed.id)
        if log is None:
            await send_json(send, encode(queued))
        else:
            await _stream(log.after(-1), receive, send)


class InputTokens(TokenCounter[ResponsesParsed]):
    """`POST /v1/responses/input_tokens`."""

    count_body = ResponseTokens


class StoredResponses:
    """The endpoints of stored responses, by id."""

    def __init__(self, dialect: OpenAIResponsesDialect, background: BackgroundRequests, auth: Auth) -> None:
        self._dialect = dialect
        self._background = background
        self._auth = auth

    @property
    def routes(self) -> dict[str, dict[str, Handler]]:
        """The handlers by path and method."""
        by_id = RESPONSES_PATH + "/{id}"
        return {
            by_id: {"GET": self.get, "HEAD": self.get, "DELETE": self.delete},
            by_id + "/cancel": {"POST": self.cancel},
            by_id + "/input_items": {"GET": self.input_items},
        }

    async def get(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a response's body or, with `stream`, the events of a background response again.

        Raises Unauthenticated, NotFound, and BadRequest for a response without a stream or a wrong `starting_after`.
        """
        row, query = self._row(scope), query_of(scope)
        if query.get("stream") != "true":
            await send_json(send, await self._body(row))
            return
        after = query.get("starting_after", "-1")
        number = number_of(after)
        if number is None:
            raise BadRequest(
                f"starting_after is {after[:80]!r}",
                hint="send the sequence number of an event",
                field="starting_after",
            )
        await _stream(await self._events(row, number), receive, send)

    async def delete(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stop a response if it is running, and delete it. Raises Unauthenticated and NotFound."""
        row = self._row(scope)
        await self._background.cancel(row.id)
        await self._dialect.delete(row)
        await send_json(send, msgspec.json.encode(ResponseDeleted(id=row.id)))

    async def cancel(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stop a background response; a finished one stays as it is.

        Raises Unauthenticated, NotFound, and BadRequest for a response that isn't in the background.
        """
        row = self._row(scope)
        if not msgspec.json.decode(row.body)["background"]:
            hint = "close the connection to stop a response that isn't in the background"
            raise BadRequest("only a background response can be cancelled", hint=hint, field="id")
        await self._background.cancel(row.id)
        await send_json(send, await self._body(self._row(scope)))

    async def input_items(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a page of a response's input. Raises Unauthenticated, NotFound, and BadRequest for a wrong page."""
        await send_json(send, page(self._dialect.input_items(self._row(scope)), scope))

    def _row(self, scope: Scope) -> ResponseRow:
        return self._dialect.get(scope["path_params"]["id"], self._auth.owner(scope), "id")

    async def _body(self, row: ResponseRow) -> bytes:
        if row.status == "queued" and not await self._background.runs(row.id):
            row = self._dialect.get(row.id, row.key_id, "id")  # it may have come to its end just now
            return msgspec.json.encode(abandoned(row)) if row.status == "queued" else row.body
        if row.status != "queued":
            return row.body
        return msgspec.json.encode(msgspec.json.decode(row.body) | {"status": "in_progress"})

    async def _events(self, row: ResponseRow, after: int) -> AsyncIterator[bytes]:
        if (events := await self._background.events(row, after)) is not None:
            return events
        row = self._dialect.get(row.id, row.key_id, "id")
        if not row.events:
            raise BadRequest(
                "this response has no stream to come back to",
                hint="send background and stream with the request",
                field="stream",
            )
        return _once(stored_events(row, after))


async def _once(events: bytes) -> AsyncIterator[bytes]:
    yield events


async def _stream(chunks: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Send the chunks until they end or the client disconnects."""

    async def write(data: bytes, *, more: bool = True) -> bool:
        async with asyncio.timeout(STALLED_S):
            await send({"type": "http.response.body", "body": data, "more_body": more})
        return True

    headers = [*SSE_HEADERS, request_id_header(None)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    with DisconnectWatch(receive, lambda: write(sse.KEEP_ALIVE)) as watch:
        try:
            async for chunk in chunks:
                await write(chunk)
            await write(b"", more=False)
        except TimeoutError:
            return
        except asyncio.CancelledError:
            if not watch.gone:
                raise
