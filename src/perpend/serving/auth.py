"""Authentication: any valid key; on a loopback address no key is needed until one exists."""

import ipaddress
from functools import lru_cache
from typing import Literal, Protocol, Self
from urllib.parse import urlsplit

from msgspec import Struct

from perpend.errors import Unauthenticated
from perpend.serving.asgi import Scope
from perpend.types import Effort

_KEY_HEADERS = frozenset((b"x-api-key", b"api-key"))
"""Anthropic's and Azure's headers, beside `Authorization: Bearer`. Of several keys, one valid key is enough."""
_APP_SCHEMES = frozenset(("app", "tauri", "vscode-file", "vscode-webview"))
"""Schemes of origins inside installed programs; no web page has these."""


class Key(Protocol):
    """A key and the defaults of its requests; see `storage.rows.KeyRow`."""

    @property
    def id(self) -> str: ...

    @property
    def model(self) -> str | None: ...

    @property
    def effort(self) -> Effort | None: ...

    @property
    def max_thinking_tokens(self) -> int | None: ...

    @property
    def deadline_ms(self) -> int | None: ...

    @property
    def admin(self) -> bool: ...


class KeyLookup(Protocol):
    """The current keys; secrets are compared by their hash."""

    @property
    def any_exist(self) -> bool:
        """Whether any key exists."""
        ...

    def lookup(self, secret: str) -> Key | None:
        """The key with this secret; None where there is none."""
        ...


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Auth:
    """Authenticates requests by their headers."""

    def __init__(
        self,
        keys: KeyLookup,
        require: Literal["auto", "always", "never"],
        host: str,
        origins: tuple[str, ...] = (),
    ) -> None:
        """`host` is where the server listens; `origins` are the web origins that are trusted like local programs."""
        self._keys = keys
        self._require = require
        self._origins = origins
        self._loopback = is_loopback(host)

    @property
    def needed(self) -> bool:
        """Whether a request needs a key."""
        if self._require == "auto":
            return not self._loopback or self._keys.any_exist
        return self._require == "always"

    def check(self, scope: Scope) -> Key | None:
        """The request's key; None where it has none and needs none. Raises Unauthenticated."""
        secrets: list[bytes] = []
        for name, value in scope["headers"]:
            if name == b"authorization":
                if value[:7].lower() == b"bearer ":
                    secrets.append(value[7:].strip())
            elif name in _KEY_HEADERS:
                secrets.append(value.strip())
        for secret in secrets:
            if secret and (key := self._keys.lookup(secret.decode("latin-1"))) is not None:
                return key
        if self.needed:
            raise _refused(any(secrets))
        self._refuse_pages(scope)
        return None

    def owner(self, scope: Scope) -> str | None:
        """The id of the request's key, which owns what the request makes and reads. Raises Unauthenticated."""
        key = self.check(scope)
        return None if key is None else key.id

    def is_local(self, scope: Scope) -> bool:
        """Whether the request is from a program on this machine, not from a web page or through a proxy."""
        client: tuple[str, int] | None = scope.get("client")
        page = _PageHeaders.of(scope)
        local = client is not None and is_loopback(client[0]) and all(map(_names_this_machine, page.hosts))
        return local and not self._is_foreign(page)

    def _refuse_pages(self, scope: Scope) -> None:
        """Refuse requests from web pages of other origins, also by DNS rebinding. Raises Unauthenticated."""
        page = _PageHeaders.of(scope)
        if self._is_foreign(page):
            raise Unauthenticated(
                "a web page from another origin may not spend here without a key",
                hint="send a key (`perpend keys create`) as `Authorization: Bearer …`, or name the page's origin in "
                "serve.cors_origins",
            )
        if self._loopback and not all(map(_names_this_machine, page.hosts)):
            raise Unauthenticated(
                f"without a key this server answers to this machine's own names, not to {page.hosts[0][:200]!r}",
                hint="ask http://127.0.0.1 or http://localhost, or make a key: `perpend keys create`",
            )

    def _is_foreign(self, page: "_PageHeaders") -> bool:
        if not page.origins:
            return "cross-site" in page.sites
        return not all(map(self._is_trusted, page.origins))

    def _is_trusted(self, origin: str) -> bool:
        """Whether an origin is this machine, a program on it, or named in the config."""
        if origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme in ("http", "https"):
            return _names_this_machine(origin.partition("://")[2])
        return parts.scheme in _APP_SCHEMES and bool(parts.netloc)


class _PageHeaders(Struct):
    """The headers by which a browser describes the page that makes a request."""

    origins: list[str]
    hosts: list[str]
    sites: list[str]

    @classmethod
    def of(cls, scope: Scope) -> Self:
        values: dict[bytes, list[str]] = {b"origin": [], b"host": [], b"sec-fetch-site": []}
        for name, value in scope["headers"]:
            if name in values:
                values[name].append(value.decode("latin-1").strip())
        return cls(*values.values())


@lru_cache(maxsize=64)
def _names_this_machine(address: str) -> bool:
    """Whether `HOST` or `HOST:PORT` means this machine."""
    try:
        parts = urlsplit(f"//{address}")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.netloc != address or "@" in address:
        return False
    return is_loopback(host) or host.endswith(".localhost")


def _refused(has_key: bool) -> Unauthenticated:
    if has_key:
        return Unauthenticated("this key isn't known, or was revoked", hint="`perpend keys list` shows them")
    hint = "send `Authorization: Bearer KEY`; `perpend keys create` makes one"
    return Unauthenticated("a key is needed", hint=hint)
