"""Conversations that clients keep here: their items in order, until their owner deletes them."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from perpend.storage.rows import ConversationRow, ItemRow, Param
from perpend.storage.sqlite import storage_error
from perpend.storage.store import Store

_PUT = "INSERT OR REPLACE INTO conversations (id, key_id, created_at, metadata) VALUES (?, ?, ?, ?)"
_GET = "SELECT id, key_id, created_at, metadata FROM conversations WHERE id = ? AND key_id IS ?"
_DELETE = "DELETE FROM conversations WHERE id = ?"
_ITEMS = (
    "SELECT conversation_id, id, body FROM conversation_items WHERE conversation_id = ? ORDER BY position"
)
_ADD = "INSERT INTO conversation_items (conversation_id, id, body) VALUES "
_REMOVE = "DELETE FROM conversation_items WHERE conversation_id = ? AND id = ?"
_CLEAR = "DELETE FROM conversation_items WHERE conversation_id = ?"
_ROWS_PER_INSERT = 1000


class ConversationStore:
    """Reads and writes on the hot connection, in the event loop's thread. Every method raises StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, row: ConversationRow) -> None:
        """Write a conversation, in place of an older one of the same id. It is durable on return."""
        await self._store.writer.run(_PUT, (row.id, row.key_id, row.created_at, row.metadata))

    def get(self, id_: str, key_id: str | None) -> ConversationRow | None:
        """The conversation; None where there is none, or it belongs to another key."""
        rows = self._read(_GET, (id_, key_id))
        return ConversationRow(*rows[0]) if rows else None

    async def delete(self, id_: str) -> None:
        """Delete a conversation and its items."""
        await self._store.writer.run(_CLEAR, (id_,))
        await self._store.writer.run(_DELETE, (id_,))

    def items(self, id_: str) -> list[ItemRow]:
        """A conversation's items in their order."""
        return [ItemRow(*row) for row in self._read(_ITEMS, (id_,))]

    async def add(self, items: Sequence[ItemRow]) -> None:
        """Append items, up to 1,000 in one statement: those of two concurrent requests don't interleave."""
        for start in range(0, len(items), _ROWS_PER_INSERT):
            rows = items[start : start + _ROWS_PER_INSERT]
            params: list[Param] = []
            for row in rows:
                params += (row.conversation_id, row.id, row.body)
            await self._store.writer.run(_ADD + ", ".join(["(?, ?, ?)"] * len(rows)), tuple(params))

    async def remove(self, id_: str, item_id: str) -> None:
        """Delete one item of a conversation."""
        await self._store.writer.run(_REMOVE, (id_, item_id))

    def _read(self, query: str, params: tuple[Param, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._store.connection.execute(query, params).fetchall()
        except sqlite3.Error as error:
            raise storage_error("the stored conversations can't be read", error, self._store.path) from error
