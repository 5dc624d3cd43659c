"""OpenAI's responses, with Perpend's own fields beside OpenAI's: answers that can be gone on from."""

from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import structs

from perpend.config.schema import Config
from perpend.errors import BadRequest, NotFound, PerpendError
from perpend.serving import errors
from perpend.serving.dialects.contract import Stream
from perpend.serving.dialects.openai_responses_answer import response
from perpend.serving.dialects.openai_responses_request import ResponsesParsed, decoded, parsed
from perpend.serving.dialects.openai_responses_schema import ResponseBody
from perpend.serving.dialects.openai_responses_stream import ResponseStream
from perpend.serving.dialects.report import encode
from perpend.serving.fields import Ignored
from perpend.storage.tables import ResponseRow
from perpend.types import Answer, Message

_conversation = msgspec.json.Decoder(tuple[Message, ...])


class Kept(Protocol):
    """Where responses are kept, each for its key."""

    async def put(self, row: ResponseRow) -> None: ...

    def get(self, id_: str, key_id: str | None) -> ResponseRow | None: ...


class OpenAIResponses:
    source = "responses"

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def parse(self, body: bytes, config: Config, key_id: str | None) -> ResponsesParsed:
        ignored = Ignored(strict=config.serve.strict_fields)
        asked = decoded(body, ignored)
        before = self._before(asked.previous_response_id, key_id) if asked.previous_response_id else ()
        new = parsed(asked, before, config, key_id, ignored)
        return structs.replace(new, keep=partial(self.keep, new)) if new.echo.store else new

    def whole(self, answer: Answer, parsed: ResponsesParsed) -> bytes:
        return encode(response(answer, parsed))

    def stream(self, parsed: ResponsesParsed) -> Stream:
        return ResponseStream(parsed)

    def failure(self, error: PerpendError) -> Any:
        return errors.body_of(error)

    async def keep(self, parsed: ResponsesParsed, answer: Answer) -> None:
        """Store the answer with its conversation."""
        await self.store(response(answer, parsed), parsed, Message("assistant", answer.content))

    async def store(self, body: ResponseBody, parsed: ResponsesParsed, *said: Message) -> None:
        conversation = encode((*parsed.conversation, *said))
        await self._kept.put(ResponseRow(body.id, parsed.key_id, body.status, encode(body), conversation))

    def get(self, id_: str, key_id: str | None, field: str) -> ResponseRow:
        """Raises NotFound naming `field`."""
        row = self._kept.get(id_, key_id)
        if row is None:
            hint = "it may have expired, was made with another key, or with store: false"
            raise NotFound(f"there is no response {id_[:80]!r}", hint=hint, field=field)
        return row

    def _before(self, id_: str, key_id: str | None) -> tuple[Message, ...]:
        row = self.get(id_, key_id, "previous_response_id")
        if row.status not in ("completed", "incomplete"):
            raise BadRequest(
                f"response {id_!r} has no answer to go on from",
                hint=f"GET /v1/responses/{id_} says how far it is",
                field="previous_response_id",
            )
        return _conversation.decode(row.conversation)
