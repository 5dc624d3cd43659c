"""API keys: the secret is shown once, and stored as its hash."""

import datetime as dt
import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypedDict, Unpack

import msgspec
from msgspec.structs import asdict, replace

from perpend.config.limits import Allowance
from perpend.errors import BadRequest, NotFound
from perpend.storage.allowances import Allowances, read_allowances
from perpend.storage.rows import KeyRow, millis, moment
from perpend.storage.sqlite import storage_error
from perpend.storage.store import Store
from perpend.types import Effort

_PREFIX_CHARS = 11
"""`pk-` and 8 of 43 characters: enough to recognise a key, far too few to guess it."""
_REFRESH_S = 0.5
_FIELDS = KeyRow.__struct_fields__
_SELECT = f"SELECT {', '.join(_FIELDS)} FROM keys"  # noqa: S608 -- names from our own struct


class KeyOptions(TypedDict, total=False):
    """What its maker chooses of a key: fields of `KeyRow`."""

    model: str | None
    effort: Effort | None
    max_thinking_tokens: int | None
    deadline_ms: int | None
    temporary: bool
    team: str | None
    admin: bool
    limits: Allowance | None


def create_key(store: Store, name: str, **options: Unpack[KeyOptions]) -> tuple[str, KeyRow]:
    """Create a key; returns its secret, which isn't stored, and its row.

    Raises BadRequest for an empty name or one in use, and StorageError.
    """
    from sqlalchemy import insert

    from perpend.storage.schema import keys

    if not name.strip():
        raise BadRequest("a key needs a name", hint="name it after who or what uses it", field="name")
    if any(key.name == name and key.revoked_at is None for key in list_keys(store)):
        raise BadRequest(
            f"there is a key named {name!r} already",
            hint=f"choose another name, or revoke that one: perpend keys revoke {name}",
            field="name",
        )
    secret = f"pk-{secrets.token_urlsafe(32)}"
    row = KeyRow(
        id=f"key_{secrets.token_hex(6)}",
        name=name,
        hash=_hash(secret),
        prefix=secret[:_PREFIX_CHARS],
        created_at=moment(millis(dt.datetime.now(dt.UTC))),
        **options,
    )
    with store.transaction() as connection:
        connection.execute(insert(keys).values(_columns(row)))
    return secret, row


def list_keys(store: Store) -> list[KeyRow]:
    """All keys, oldest first, revoked ones too. Raises StorageError."""
    return sorted(map(_key, _rows(store)), key=lambda key: key.created_at)


def revoke_key(store: Store, name: str) -> KeyRow:
    """Revoke a key by id, name or prefix; running servers refuse it within a second.

    Raises NotFound, BadRequest where several keys fit, and StorageError.
    """
    from sqlalchemy import update

    from perpend.storage.schema import keys

    meant = active_key(store, name)
    now = dt.datetime.now(dt.UTC)
    with store.transaction() as connection:
        connection.execute(update(keys).where(keys.c.id == meant.id).values(revoked_at=millis(now)))
    return next(key for key in list_keys(store) if key.id == meant.id)


def change_key(store: Store, name: str, **options: Unpack[KeyOptions]) -> KeyRow:
    """Change what was chosen of a key, named by id, name or prefix; running servers know within a second.

    Raises NotFound, BadRequest where several keys fit, and StorageError.
    """
    from sqlalchemy import update

    from perpend.storage.schema import keys

    changed = replace(active_key(store, name), **options)
    with store.transaction() as connection:
        connection.execute(update(keys).where(keys.c.id == changed.id).values(_columns(changed)))
    return changed


class KeyRing:
    """Keys, and the limits of users and teams, in memory for the hot path: read again after another connection has
    changed the store.

    Other workers change it all the time: rows that are still the same aren't made into keys again.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._next_refresh = clock()
        self._version = -1
        self._rows: list[tuple[Any, ...]] = []
        self._active: dict[str, KeyRow] = {}
        self._by_id: dict[str, KeyRow] = {}
        self._allowances: Allowances = {}
        self._any = False

    @property
    def any_exist(self) -> bool:
        """Whether a key that isn't temporary was ever created, revoked ones included. Raises StorageError."""
        self._refresh()
        return self._any

    def lookup(self, secret: str) -> KeyRow | None:
        """The active key of this secret, or None. Raises StorageError."""
        self._refresh()
        return self._active.get(_hash(secret))

    def by_id(self, id_: str) -> KeyRow | None:
        """The active key of this id, or None. Raises StorageError."""
        self._refresh()
        return self._by_id.get(id_)

    @property
    def allowances(self) -> Allowances:
        """Limits of users and teams. Raises StorageError."""
        self._refresh()
        return self._allowances

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._next_refresh:
            return
        version = self._store.version()
        if version != self._version:
            rows, allowances = _rows(self._store), read_allowances(self._store)
            if rows != self._rows:
                found = [_key(row) for row in rows]
                self._any = not all(key.temporary for key in found)
                self._active = {key.hash: key for key in found if key.revoked_at is None}
                self._by_id = {key.id: key for key in self._active.values()}
                self._rows = rows
            if allowances != self._allowances:
                self._allowances = allowances
            self._version = version
        self._next_refresh = now + _REFRESH_S


def active_key(store: Store, name: str) -> KeyRow:
    """The one key that `name` means: its id, name or first characters. Raises NotFound, and BadRequest for several."""
    active = [key for key in list_keys(store) if key.revoked_at is None]
    meant = [key for key in active if name in (key.id, key.name)] or [
        key for key in active if len(name) > len("pk-") and key.prefix.startswith(name[:_PREFIX_CHARS])
    ]
    if not meant:
        raise NotFound(f"no active key {name!r}", hint="perpend keys list shows them all", field="key")
    if len(meant) > 1:
        ids = ", ".join(key.id for key in meant)
        raise BadRequest(
            f"{name!r} is the start of {len(meant)} keys", hint=f"give one id of {ids}", field="key"
        )
    return meant[0]


def _rows(store: Store) -> list[tuple[Any, ...]]:
    # On the hot connection and without SQLAlchemy, since a server does this in its event loop.
    try:
        return store.connection.execute(_SELECT).fetchall()
    except sqlite3.Error as error:
        raise storage_error("the keys can't be read", error, store.path) from error


def _key(row: tuple[Any, ...]) -> KeyRow:
    """`row`: the columns that are named as the key's fields; times as numbers."""
    found = dict(zip(_FIELDS, row, strict=True))
    for name in ("created_at", "revoked_at"):
        if found[name] is not None:
            found[name] = moment(found[name])
    for name in ("temporary", "admin"):
        found[name] = bool(found[name])
    if found["limits"] is not None:
        found["limits"] = msgspec.json.decode(found["limits"], type=Allowance)
    return KeyRow(**found)


def _columns(row: KeyRow) -> dict[str, Any]:
    columns = asdict(row)
    for name in ("created_at", "revoked_at"):
        columns[name] = None if columns[name] is None else millis(columns[name])
    if row.limits is not None:
        columns["limits"] = msgspec.json.encode(row.limits).decode()
    return columns


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
