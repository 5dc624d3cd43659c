"""The endpoints of `/v1/conversations`: stored items that responses continue (OpenAI's API reference)."""

import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from perpend.config.schema import Config
from perpend.errors import NotFound
from perpend.serving.asgi import Handler, Receive, Scope, Send, read_body
from perpend.serving.auth import Auth
from perpend.serving.decode import decode
from perpend.serving.dialects.openai_responses import OpenAIResponsesDialect
from perpend.serving.dialects.openai_responses_ids import item_bodies
from perpend.serving.dialects.openai_responses_items import messages_of
from perpend.serving.dialects.openai_responses_schema import InputItem
from perpend.serving.fields import Ignored
from perpend.serving.pages import page, page_of
from perpend.serving.response_writer import send_json
from perpend.storage.rows import ConversationRow
from perpend.types import new_id

CONVERSATIONS_PATH = "/v1/conversations"
Metadata = dict[str, str]


class ConversationRequest(Struct, forbid_unknown_fields=True):
    metadata: Metadata | None = None
    items: Annotated[list[InputItem], Meta(max_length=20)] | None = None


class ConversationChange(Struct, forbid_unknown_fields=True):
    metadata: Metadata | None


class ItemsRequest(Struct, forbid_unknown_fields=True):
    items: Annotated[list[InputItem], Meta(min_length=1, max_length=20)]


class Conversation(Struct, frozen=True, kw_only=True):
    id: str
    object: str = "conversation"
    created_at: int
    """Seconds since 1970."""
    metadata: Metadata


class ConversationDeleted(Struct, frozen=True, kw_only=True):
    id: str
    object: str = "conversation.deleted"
    deleted: bool = True


_new = msgspec.json.Decoder(ConversationRequest)
_change = msgspec.json.Decoder(ConversationChange)
_items = msgspec.json.Decoder(ItemsRequest)


class Conversations:
    """The handlers. Each raises Unauthenticated."""

    def __init__(self, dialect: OpenAIResponsesDialect, config: Config, auth: Auth) -> None:
        self._dialect = dialect
        self._config = config
        self._auth = auth

    @property
    def routes(self) -> dict[str, dict[str, Handler]]:
        """The handlers by path and method."""
        by_id = CONVERSATIONS_PATH + "/{id}"
        return {
            CONVERSATIONS_PATH: {"POST": self.create},
            by_id: {"GET": self.get, "POST": self.update, "DELETE": self.delete},
            by_id + "/items": {"GET": self.items, "POST": self.add},
            by_id + "/items/{item}": {"GET": self.item, "DELETE": self.remove},
        }

    async def create(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make a conversation. Raises BadRequest naming the field."""
        key_id = self._auth.owner(scope)
        body, ignored = await self._read(receive), self._ignored()
        fields = decode(_new, body, ignored) if body.strip() else ConversationRequest()
        metadata = msgspec.json.encode(fields.metadata or {})
        row = ConversationRow(new_id("conv"), key_id, int(time.time()), metadata)
        added = self._with_ids(fields.items or [], ignored)
        await self._dialect.conversations.put(row)
        await self._dialect.add(row.id, added)
        await send_json(send, _body(row))

    async def get(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a conversation. Raises NotFound for one that isn't the key's."""
        await send_json(send, _body(self._row(scope)))

    async def update(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replace a conversation's metadata. Raises NotFound, and BadRequest naming the field."""
        row = self._row(scope)
        fields = decode(_change, await self._read(receive), self._ignored())
        metadata = msgspec.json.encode(fields.metadata or {})
        changed = ConversationRow(row.id, row.key_id, row.created_at, metadata)
        await self._dialect.conversations.put(changed)
        await send_json(send, _body(changed))

    async def delete(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Delete a conversation and its items. Raises NotFound."""
        row = self._row(scope)
        await self._dialect.conversations.delete(row.id)
        await send_json(send, msgspec.json.encode(ConversationDeleted(id=row.id)))

    async def items(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a page of a conversation's items. Raises NotFound, and BadRequest for a wrong page."""
        await send_json(send, page(self._items_of(self._row(scope)), scope))

    async def add(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add items to a conversation. Raises NotFound, and BadRequest naming the field."""
        row = self._row(scope)
        ignored = self._ignored()
        added = self._with_ids(decode(_items, await self._read(receive), ignored).items, ignored)
        await self._dialect.add(row.id, added)
        await send_json(send, page_of(added, more=False))

    async def item(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one item. Raises NotFound for an unknown conversation or item."""
        await send_json(send, msgspec.json.encode(self._item(scope)[1]))

    async def remove(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Remove one item. Raises NotFound for an unknown conversation or item."""
        row, item = self._item(scope)
        await self._dialect.conversations.remove(row.id, item["id"])
        await send_json(send, _body(row))

    async def _read(self, receive: Receive) -> bytes:
        return await read_body(receive, self._config.serve.max_body_bytes)

    def _ignored(self) -> Ignored:
        """A collector of ignored fields; these endpoints' bodies have no place to name them."""
        return Ignored(strict=self._config.serve.strict_fields)

    def _with_ids(self, items: list[InputItem], ignored: Ignored) -> list[dict[str, Any]]:
        """The items' bodies with new ids. Raises BadRequest for items that no response could continue."""
        messages_of(items, self._config, ignored, "items")
        return item_bodies(items, new_id("resp"))

    def _row(self, scope: Scope) -> ConversationRow:
        key_id = self._auth.owner(scope)
        return self._dialect.conversation(scope["path_params"]["id"], key_id, "id")

    def _items_of(self, row: ConversationRow) -> list[dict[str, Any]]:
        return [msgspec.json.decode(item.body) for item in self._dialect.conversations.items(row.id)]

    def _item(self, scope: Scope) -> tuple[ConversationRow, dict[str, Any]]:
        row, id_ = self._row(scope), scope["path_params"]["item"]
        for item in self._items_of(row):
            if item["id"] == id_:
                return row, item
        hint = f"GET {CONVERSATIONS_PATH}/{row.id}/items lists the items"
        raise NotFound(f"there is no item {id_[:80]!r} here", hint=hint, field="item")


def _body(row: ConversationRow) -> bytes:
    metadata = msgspec.json.decode(row.metadata, type=Metadata)
    return msgspec.json.encode(Conversation(id=row.id, created_at=row.created_at, metadata=metadata))
