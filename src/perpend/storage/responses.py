"""Stored responses (`/v1/responses`), which clients continue or fetch later.

Their ids ascend with time, so expired ones are a range of ids.
"""

import sqlite3
import time

from msgspec.structs import astuple

from perpend.storage.rows import ResponseRow
from perpend.storage.sqlite import storage_error
from perpend.storage.store import Store

_FIELDS = ResponseRow.__struct_fields__
_NAMES = ", ".join(_FIELDS)
_PUT = f"INSERT OR REPLACE INTO responses ({_NAMES}) VALUES ({', '.join('?' * len(_FIELDS))})"  # noqa: S608 - names from our own struct
_GET = f"SELECT {_NAMES} FROM responses WHERE id = ? AND key_id IS ? AND id >= ?"  # noqa: S608
_DELETE = "DELETE FROM responses WHERE id = ? AND key_id IS ?"
_SWEEP = "DELETE FROM responses WHERE id IN (SELECT id FROM responses WHERE id < ? LIMIT 20)"


class ResponseStore:
    """Reads and writes on the hot connection, in the event loop's thread."""

    def __init__(self, store: Store, days: float) -> None:
        """`days`: how long responses are kept."""
        self._store = store
        self._kept_ms = int(days * 86_400_000)

    async def put(self, row: ResponseRow) -> None:
        """Write a response, in place of an older one of the same id, and delete some expired ones.

        It is durable on return. Raises StorageError.
        """
        await self._store.writer.run(_PUT, astuple(row))
        await self._store.writer.run(_SWEEP, (self._oldest(),))

    def get(self, id_: str, key_id: str | None) -> ResponseRow | None:
        """The response; None where there is none, it has expired, or belongs to another key. Raises StorageError."""
        try:
            row = self._store.connection.execute(_GET, (id_, key_id, self._oldest())).fetchone()
        except sqlite3.Error as error:
            raise storage_error("the stored responses can't be read", error, self._store.path) from error
        return None if row is None else ResponseRow(*row)

    async def delete(self, id_: str, key_id: str | None) -> None:
        """Delete a key's response. Raises StorageError."""
        await self._store.writer.run(_DELETE, (id_, key_id))

    def _oldest(self) -> str:
        return f"resp_{max(0, time.time_ns() // 1_000_000 - self._kept_ms):012x}"
