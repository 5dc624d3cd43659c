"""`/v1/admin`: keys, and the limits of teams and users, for keys with an admin's rights. The CLI has the same."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from perpend.config.limits import UNLIMITED, Allowance, SubjectKind
from perpend.config.schema import Config
from perpend.errors import Forbidden, NotFound
from perpend.serving.asgi import Handler, Receive, Scope, Send, read_body
from perpend.serving.auth import Auth
from perpend.serving.decode import decode
from perpend.serving.dialects.extension_fields import Count, Positive, Text256
from perpend.serving.dialects.report import encode
from perpend.serving.fields import Ignored
from perpend.serving.response_writer import send_json
from perpend.storage.allowances import read_allowances, set_allowance
from perpend.storage.keys import change_key, create_key, list_keys, revoke_key
from perpend.storage.rows import KeyRow
from perpend.storage.store import Store
from perpend.types import Effort

ADMIN_PATH = "/v1/admin"
KEYS_PATH = f"{ADMIN_PATH}/keys"
LIMITS_PATH = f"{ADMIN_PATH}/limits"
T = TypeVar("T")


class KeyChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a key; null takes a default, a team or limits away."""

    model: Text256 | UnsetType | None = UNSET
    """Answers all its requests, whatever model they name."""
    effort: Effort | UnsetType | None = UNSET
    max_thinking_tokens: Count | UnsetType | None = UNSET
    deadline_ms: Positive | UnsetType | None = UNSET
    team: Text256 | UnsetType | None = UNSET
    """Whose limits hold as well."""
    admin: bool | UnsetType = UNSET
    """It may use this API."""
    limits: Allowance | UnsetType | None = UNSET
    """In place of those that it had."""


class NewKey(KeyChange, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make."""

    name: Text256


class AdminKey(Struct, frozen=True, kw_only=True):
    """A key; its secret is in the answer that made it, and nowhere else."""

    object: Literal["key"] = "key"
    id: str
    name: str
    prefix: str
    """The secret's first characters."""
    created_at: dt.datetime
    revoked_at: dt.datetime | None
    model: str | None
    effort: Effort | None
    max_thinking_tokens: int | None
    deadline_ms: int | None
    team: str | None
    admin: bool
    limits: Allowance
    secret: str | UnsetType = UNSET


class AdminKeys(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[AdminKey]


class AdminLimits(Struct, frozen=True, kw_only=True):
    """Limits that were set for a team or a user."""

    object: Literal["limits"] = "limits"
    kind: SubjectKind
    name: str
    limits: Allowance


class AdminLimitsList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[AdminLimits]


class Admin:
    """The handlers. Each raises Unauthenticated, Forbidden without an admin's rights, and StorageError."""

    def __init__(self, store: Store, config: Config, auth: Auth) -> None:
        self._store = store
        self._config = config
        self._auth = auth

    @property
    def routes(self) -> dict[str, dict[str, Handler]]:
        """The handlers by path and method."""
        return {
            KEYS_PATH: {"GET": self.keys, "POST": self.create},
            KEYS_PATH + "/{id}": {"GET": self.key, "POST": self.change, "DELETE": self.revoke},
            LIMITS_PATH: {"GET": self.limits},
            LIMITS_PATH + "/{kind}/{name}": {"PUT": self.set_limits, "DELETE": self.remove_limits},
        }

    async def keys(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all keys, revoked ones too."""
        self._require_admin(scope)
        rows = await asyncio.to_thread(list_keys, self._store)
        await send_json(send, encode(AdminKeys(data=[_body(row) for row in rows])))

    async def create(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make a key, and send it with its secret. Raises BadRequest naming the field."""
        self._require_admin(scope)
        new = await self._read(NewKey, receive)
        options = _options(new)
        secret, row = await asyncio.to_thread(lambda: create_key(self._store, new.name, **options))
        body = msgspec.structs.replace(_body(row), secret=secret)
        await send_json(send, encode(body))

    async def key(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a key. Raises NotFound."""
        self._require_admin(scope)
        id_ = scope["path_params"]["id"]
        rows = await asyncio.to_thread(list_keys, self._store)
        row = next((row for row in rows if row.id == id_), None)
        if row is None:
            raise NotFound(f"no key {id_[:80]!r}", hint=f"GET {KEYS_PATH} lists them", field="id")
        await send_json(send, encode(_body(row)))

    async def change(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Change a key; running gateways know within a second. Raises NotFound, and BadRequest naming the field."""
        self._require_admin(scope)
        options, id_ = _options(await self._read(KeyChange, receive)), scope["path_params"]["id"]
        row = await asyncio.to_thread(lambda: change_key(self._store, id_, **options))
        await send_json(send, encode(_body(row)))

    async def revoke(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Revoke a key; running gateways refuse it within a second. Raises NotFound."""
        self._require_admin(scope)
        row = await asyncio.to_thread(revoke_key, self._store, scope["path_params"]["id"])
        await send_json(send, encode(_body(row)))

    async def limits(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the limits of teams and users that were set here or by the CLI; the config's aren't among them."""
        self._require_admin(scope)
        found = read_allowances(self._store).items()
        rows = [AdminLimits(kind=kind, name=name, limits=allowance) for (kind, name), allowance in found]
        await send_json(send, encode(AdminLimitsList(data=rows)))

    async def set_limits(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set a team's or user's limits, in place of those that it had. Raises BadRequest naming the field."""
        kind, name = self._named(scope)
        allowance = await self._read(Allowance, receive)
        await asyncio.to_thread(set_allowance, self._store, kind, name, allowance)
        await send_json(send, encode(AdminLimits(kind=kind, name=name, limits=allowance)))

    async def remove_limits(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a team's or user's limits away; the config's hold again."""
        kind, name = self._named(scope)
        await asyncio.to_thread(set_allowance, self._store, kind, name, None)
        await send_json(send, encode(AdminLimits(kind=kind, name=name, limits=UNLIMITED)))

    def _named(self, scope: Scope) -> tuple[SubjectKind, str]:
        self._require_admin(scope)
        kind, name = scope["path_params"]["kind"], scope["path_params"]["name"]
        if kind not in ("team", "user"):
            hint = f"{LIMITS_PATH}/team/NAME or {LIMITS_PATH}/user/NAME; a key's are at {KEYS_PATH}/ID"
            raise NotFound(f"there are no limits of a {kind[:80]!r}", hint=hint, field="kind")
        return kind, name

    def _require_admin(self, scope: Scope) -> None:
        key = self._auth.check(scope)
        if key is None or not key.admin:
            raise Forbidden(
                "this key may not manage keys and limits",
                hint="make one that may: perpend keys create NAME --admin",
            )

    async def _read(self, kind: type[T], receive: Receive) -> T:
        body = await read_body(receive, self._config.serve.max_body_bytes)
        return decode(_decoder(kind), body, Ignored(strict=True))


@cache
def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind)


def _options(change: KeyChange) -> Any:
    """What is said of a key, as `storage.keys.KeyOptions`."""
    said = cast("Mapping[str, Any]", msgspec.structs.asdict(change))
    return {name: value for name, value in said.items() if value is not UNSET and name != "name"}


def _body(row: KeyRow) -> AdminKey:
    names = set(AdminKey.__struct_fields__) - {"object", "secret", "limits"}
    fields = {name: getattr(row, name) for name in names}
    return AdminKey(**fields, limits=row.limits or UNLIMITED)
