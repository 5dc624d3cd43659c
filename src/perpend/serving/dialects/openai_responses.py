"""The dialect of OpenAI's Responses API: answers and conversations are stored, and later requests continue them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import structs

from perpend.config.schema import Config
from perpend.errors import BadRequest, NotFound, PerpendError
from perpend.serving import errors
from perpend.serving.dialects.openai_responses_answer import compaction, response, usage_block
from perpend.serving.dialects.openai_responses_compaction import TRIGGER
from perpend.serving.dialects.openai_responses_ids import item_bodies, item_location, items_of
from perpend.serving.dialects.openai_responses_items import messages_of
from perpend.serving.dialects.openai_responses_request import ResponsesParsed, decode_fields, parse_fields
from perpend.serving.dialects.openai_responses_schema import (
    Compacted,
    ConversationRef,
    InputItem,
    ResponseBody,
    ResponsesRequest,
)
from perpend.serving.dialects.openai_responses_stream import CompactionStream, ResponseStream
from perpend.serving.dialects.report import encode, perpend_block
from perpend.serving.fields import Ignored
from perpend.storage.rows import ConversationRow, ItemRow, ResponseRow
from perpend.types import Answer, Message

_conversation = msgspec.json.Decoder(tuple[Message, ...])
_item = msgspec.json.Decoder(InputItem)
_items = msgspec.json.Decoder(list[InputItem])


class ResponseRows(Protocol):
    """Stored responses; each belongs to the key that made it. Methods raise StorageError."""

    async def put(self, row: ResponseRow) -> None: ...

    def get(self, id_: str, key_id: str | None) -> ResponseRow | None: ...

    async def delete(self, id_: str, key_id: str | None) -> None: ...


class ConversationRows(Protocol):
    """Stored conversations and their items. Methods raise StorageError."""

    async def put(self, row: ConversationRow) -> None: ...

    def get(self, id_: str, key_id: str | None) -> ConversationRow | None: ...

    async def delete(self, id_: str) -> None: ...

    def items(self, id_: str) -> list[ItemRow]: ...

    async def add(self, items: Sequence[ItemRow]) -> None: ...

    async def remove(self, id_: str, item_id: str) -> None: ...


class OpenAIResponsesDialect:
    """`POST /v1/responses`, and the responses and conversations that it stores."""

    source = "responses"

    def __init__(self, responses: ResponseRows, conversations: ConversationRows) -> None:
        self._responses = responses
        self.conversations = conversations

    def parse(self, body: bytes, config: Config, key_id: str | None) -> ResponsesParsed:
        """The body as a request. Raises BadRequest naming the field, and NotFound for an unknown id in it."""
        ignored = Ignored(strict=config.serve.strict_fields)
        return self.resolve(decode_fields(body, ignored), config, key_id, ignored)

    def resolve(
        self, fields: ResponsesRequest, config: Config, key_id: str | None, ignored: Ignored
    ) -> ResponsesParsed:
        """Load what the request's ids refer to, then parse it. Raises BadRequest and NotFound naming the field."""
        input_items = items_of(fields.input)
        history = self._history(fields, config, key_id)
        if any(item.type == "item_reference" for item in input_items):
            input_items = [
                self._referenced_item(item, f"input[{at}]", key_id) for at, item in enumerate(input_items)
            ]
        fields.input = input_items
        parsed = parse_fields(fields, history, config, key_id, ignored)
        stored = parsed.echo.store or parsed.echo.conversation
        return structs.replace(parsed, keep=partial(self.keep, parsed)) if stored else parsed

    def whole(self, answer: Answer, parsed: ResponsesParsed) -> bytes:
        return encode(response(answer, parsed))

    def stream(self, parsed: ResponsesParsed) -> ResponseStream:
        return CompactionStream(parsed) if parsed.is_compaction else ResponseStream(parsed)

    def failure(self, error: PerpendError) -> Any:
        return errors.body_of(error)

    async def keep(self, parsed: ResponsesParsed, answer: Answer, events: bytes = b"") -> None:
        """Store the response, and add its input and output to its conversation. Raises StorageError."""
        body = response(answer, parsed)
        if parsed.echo.store:
            await self.store(body, parsed, Message("assistant", answer.content), events=events)
        if parsed.echo.conversation:
            items = [*item_bodies(parsed.input_items, parsed.id), *msgspec.json.decode(encode(body.output))]
            await self.add(parsed.echo.conversation.id, items)

    async def store(
        self, body: ResponseBody, parsed: ResponsesParsed, *answer: Message, events: bytes = b""
    ) -> None:
        """Store a response with the conversation that led to it, and `answer` where there is one.

        `events` is its compressed event stream. Raises StorageError.
        """
        row = ResponseRow(
            id=body.id,
            key_id=parsed.key_id,
            status=body.status,
            body=encode(body),
            conversation=encode((*parsed.conversation, *answer)),
            input=encode(parsed.input_items),
            events=events,
        )
        await self._responses.put(row)

    def get(self, id_: str, key_id: str | None, field: str) -> ResponseRow:
        """The key's response of this id. Raises NotFound naming `field`."""
        row = self._responses.get(id_, key_id)
        if row is None:
            hint = "it may have expired, was made with another key, or with store: false"
            raise NotFound(f"there is no response {id_[:80]!r}", hint=hint, field=field)
        return row

    async def delete(self, row: ResponseRow) -> None:
        """Delete a stored response. Raises StorageError."""
        await self._responses.delete(row.id, row.key_id)

    def input_items(self, row: ResponseRow) -> list[dict[str, Any]]:
        """The items of the response's input."""
        return item_bodies(_items.decode(row.input), row.id)

    def conversation(self, id_: str, key_id: str | None, field: str) -> ConversationRow:
        """The key's conversation of this id. Raises NotFound naming `field`."""
        row = self.conversations.get(id_, key_id)
        if row is None:
            hint = "it was deleted, or made with another key; POST /v1/conversations makes one"
            raise NotFound(f"there is no conversation {id_[:80]!r}", hint=hint, field=field)
        return row

    async def add(self, conversation_id: str, items: list[dict[str, Any]]) -> None:
        """Add items, which have ids, to the end of a conversation. Raises StorageError."""
        rows = [ItemRow(conversation_id, item["id"], msgspec.json.encode(item)) for item in items]
        await self.conversations.add(rows)

    def _history(self, fields: ResponsesRequest, config: Config, key_id: str | None) -> tuple[Message, ...]:
        """The messages before the request's input. Raises BadRequest and NotFound naming the field."""
        previous, conversation = fields.previous_response_id, fields.conversation
        if conversation is not None:
            if previous is not None:
                hint = "send conversation alone: it holds its earlier responses"
                raise BadRequest(
                    "previous_response_id and conversation exclude each other",
                    hint=hint,
                    field="conversation",
                )
            if isinstance(conversation, str):
                conversation = ConversationRef(conversation)
            fields.conversation = conversation
            id_ = self.conversation(conversation.id, key_id, "conversation").id
            items = [_item.decode(row.body) for row in self.conversations.items(id_)]
            return tuple(messages_of(items, config, Ignored(strict=False)))
        return self._turns_of(previous, key_id) if previous else ()

    def _turns_of(self, id_: str, key_id: str | None) -> tuple[Message, ...]:
        row = self.get(id_, key_id, "previous_response_id")
        if row.status not in ("completed", "incomplete"):
            raise BadRequest(
                f"response {id_!r} has no answer to go on from",
                hint=f"get its state from GET /v1/responses/{id_}",
                field="previous_response_id",
            )
        return _conversation.decode(row.conversation)

    def _referenced_item(self, item: InputItem, path: str, key_id: str | None) -> InputItem:
        """The stored item that a reference names. Raises NotFound."""
        if item.type != "item_reference":
            return item
        id_ = str(item.id)
        location = item_location(id_)
        row = self._responses.get(location.response_id, key_id) if location else None
        bodies = []
        if location is not None and row is not None:
            bodies = self.input_items(row) if location.in_input else msgspec.json.decode(row.body)["output"]
        body = next((body for body in bodies if body["id"] == id_), None)
        if body is None:
            hint = (
                "send the item itself: its response expired, was made with another key, or with store: false"
            )
            raise NotFound(f"there is no item {id_[:80]!r}", hint=hint, field=f"{path}.id")
        return msgspec.convert(body, InputItem)


class CompactionDialect(OpenAIResponsesDialect):
    """`POST /v1/responses/compact`: answers with the user's messages and one item that summarises the conversation."""

    def parse(self, body: bytes, config: Config, key_id: str | None) -> ResponsesParsed:
        """The body as a request to summarise. Raises BadRequest naming the field, and NotFound."""
        ignored = Ignored(strict=config.serve.strict_fields)
        fields = decode_fields(body, ignored)
        fields.store, fields.stream, fields.background = False, None, None
        fields.input = [*items_of(fields.input), InputItem(TRIGGER)]
        return self.resolve(fields, config, key_id, ignored)

    def whole(self, answer: Answer, parsed: ResponsesParsed) -> bytes:
        """The body of the compacted conversation (OpenAI's API reference, "Compact a response")."""
        user = [item for item in item_bodies(parsed.input_items, parsed.id) if item.get("role") == "user"]
        compacted = Compacted(
            id=parsed.id,
            created_at=parsed.created_at,
            output=[*user, compaction(answer, parsed)],
            usage=usage_block(answer.usage),
            perpend=perpend_block(answer),
        )
        return encode(compacted)
