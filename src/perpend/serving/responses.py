"""The endpoints of `/v1/responses`: answered now, answered in the background, asked for again."""

import asyncio
import zlib
from collections.abc import AsyncIterator

import msgspec

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.observability.metrics import Metrics
from perpend.serving import sse
from perpend.serving.asgi import Handler, Receive, Scope, Send
from perpend.serving.auth import Auth
from perpend.serving.background import STOPPED, BackgroundRequests, events_after
from perpend.serving.completions import Completions, Counting, Solver
from perpend.serving.dialects.openai_responses import OpenAIResponsesDialect
from perpend.serving.dialects.openai_responses_answer import failure_of
from perpend.serving.dialects.openai_responses_request import ResponsesParsed
from perpend.serving.dialects.openai_responses_schema import ResponseDeleted, ResponseTokens
from perpend.serving.dialects.report import encode
from perpend.serving.disconnect import DisconnectWatch
from perpend.serving.pages import number_of, page, query_of
from perpend.serving.response_writer import SSE_HEADERS, STALLED_S, request_id_header, send_json
from perpend.storage.rows import ResponseRow

RESPONSES_PATH = "/v1/responses"


class Responses(Completions[ResponsesParsed]):
    """`POST /v1/responses`."""

    def __init__(
        self,
        dialect: OpenAIResponsesDialect,
        solver: Solver,
        config: Config,
        auth: Auth,
        metrics: Metrics,
    ) -> None:
        super().__init__(dialect, solver, config, auth, metrics)
        self.background = BackgroundRequests(dialect, solver, metrics)

    async def answer(self, parsed: ResponsesParsed, key_id: str | None, receive: Receive, send: Send) -> None:
        if not parsed.echo.background:
            await super().answer(parsed, key_id, receive, send)
            return
        queued = await self.background.start(parsed)
        log = self.background.log(parsed.id)
        if log is None:
            await send_json(send, encode(queued))
        else:
            await _stream(log.after(-1), receive, send)


class InputTokens(Counting[ResponsesParsed]):
    """`POST /v1/responses/input_tokens`."""

    count_body = ResponseTokens


class Stored:
    """Responses that were stored, by id."""

    def __init__(self, dialect: OpenAIResponsesDialect, background: BackgroundRequests, auth: Auth) -> None:
        self._dialect = dialect
        self._background = background
        self._auth = auth

    @property
    def routes(self) -> dict[str, dict[str, Handler]]:
        one = RESPONSES_PATH + "/{id}"
        return {
            one: {"GET": self.get, "HEAD": self.get, "DELETE": self.delete},
            one + "/cancel": {"POST": self.cancel},
            one + "/input_items": {"GET": self.input_items},
        }

    async def get(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As a body or, where it was asked for as a stream in the background, as that stream once more.

        Raises Unauthenticated, NotFound, and BadRequest for a stream that there isn't.
        """
        row, query = self._row(scope), query_of(scope)
        if query.get("stream") != "true":
            await send_json(send, self._body(row))
            return
        after = query.get("starting_after", "-1")
        number = number_of(after)
        if number is None:
            raise BadRequest(
                f"starting_after is {after[:80]!r}", hint="the number of an event", field="starting_after"
            )
        await _stream(self._events(row, number), receive, send)

    async def delete(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End it, and forget it. Raises Unauthenticated and NotFound."""
        row = self._row(scope)
        await self._background.cancel(row.id)
        await self._dialect.delete(row)
        await send_json(send, msgspec.json.encode(ResponseDeleted(id=row.id)))

    async def cancel(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End a background response; one that is done stays. Raises Unauthenticated, NotFound and BadRequest."""
        row = self._row(scope)
        if not msgspec.json.decode(row.body)["background"]:
            hint = "close the connection of one that isn't in the background"
            raise BadRequest("only a background response can be cancelled", hint=hint, field="id")
        await self._background.cancel(row.id)
        await send_json(send, self._body(self._row(scope)))

    async def input_items(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page of what its request brought. Raises Unauthenticated, NotFound, and BadRequest for a wrong page."""
        await send_json(send, page(self._dialect.brought(self._row(scope)), scope))

    def _row(self, scope: Scope) -> ResponseRow:
        return self._dialect.get(scope["path_params"]["id"], self._auth.owner(scope), "id")

    def _body(self, row: ResponseRow) -> bytes:
        if row.status != "queued":
            return row.body
        stored = msgspec.json.decode(row.body)
        if self._background.runs(row.id):
            stored["status"] = "in_progress"
        else:  # another process was to make it, and is gone
            stored |= {"status": "failed", "error": msgspec.to_builtins(failure_of(STOPPED))}
        return msgspec.json.encode(stored)

    def _events(self, row: ResponseRow, after: int) -> AsyncIterator[bytes]:
        if (log := self._background.log(row.id)) is not None:
            return log.after(after)
        if not row.events:
            raise BadRequest(
                "this response has no stream to come back to",
                hint="ask for it with background and stream",
                field="stream",
            )
        return _once(events_after(after, zlib.decompress(row.events)))


async def _once(events: bytes) -> AsyncIterator[bytes]:
    yield events


async def _stream(chunks: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Until they end, or the client goes away."""

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
