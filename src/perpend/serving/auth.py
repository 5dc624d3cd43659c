"""Who may come in: any valid key, or nobody's on a loopback address until a key exists."""

import ipaddress
from typing import Literal, Protocol
from urllib.parse import urlsplit

from perpend.errors import Unauthenticated
from perpend.serving.asgi import Scope
from perpend.types import Effort

_KEY_HEADERS = frozenset((b"x-api-key", b"api-key"))
"""Beside `Authorization: Bearer`: Anthropic's, and Azure's. A client may send several; one that is valid will do."""


class Key(Protocol):
    """Who asks, and what holds for its requests: see `storage.tables.KeyRow`."""

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


class KeyRing(Protocol):
    """The keys as they are now; secrets are compared by their hash."""

    @property
    def any_exist(self) -> bool: ...

    def lookup(self, secret: str) -> Key | None: ...


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Auth:
    """Decides about every request by its headers alone."""

    def __init__(
        self,
        keys: KeyRing,
        require: Literal["auto", "always", "never"],
        host: str,
        origins: tuple[str, ...] = (),
    ) -> None:
        """`origins`: of web pages that may come in as clients without a page do."""
        self._keys = keys
        self._require = require
        self._origins = origins
        self._loopback = is_loopback(host)

    @property
    def needed(self) -> bool:
        if self._require == "auto":
            return not self._loopback or self._keys.any_exist
        return self._require == "always"

    def check(self, scope: Scope) -> Key | None:
        """The key that came along, None where none is needed. Raises Unauthenticated."""
        secrets: list[bytes] = []
        origin = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                if value[:7].lower() == b"bearer ":
                    secrets.append(value[7:].strip())
            elif name in _KEY_HEADERS:
                secrets.append(value.strip())
            elif name == b"origin":
                origin = value
        for secret in secrets:
            if secret and (key := self._keys.lookup(secret.decode("latin-1"))) is not None:
                return key
        if self.needed:
            raise _refused(any(secrets))
        if origin and self._is_foreign(origin.decode("latin-1")):
            raise Unauthenticated(
                "a web page from another origin may not spend here without a key",
                hint="send a key (`perpend keys create`) as `Authorization: Bearer …`, or name the page's origin in "
                "serve.cors_origins",
            )
        return None

    def owner(self, scope: Scope) -> str | None:
        """The id of the key that came along: whose the things are that this request makes or asks for."""
        key = self.check(scope)
        return None if key is None else key.id

    def _is_foreign(self, origin: str) -> bool:
        """Whether a web page sent this that wasn't loaded from this machine, nor is trusted by the config."""
        try:
            parts = urlsplit(origin)
            host: str | None = parts.hostname
        except ValueError:
            return True
        return origin not in self._origins and (
            origin == "null" or (parts.scheme in ("http", "https") and not is_loopback(host or ""))
        )


def _refused(sent_one: bool) -> Unauthenticated:
    if sent_one:
        return Unauthenticated("this key isn't known, or was revoked", hint="`perpend keys list` shows them")
    hint = "send `Authorization: Bearer KEY`; `perpend keys create` makes one"
    return Unauthenticated("a key is needed", hint=hint)
