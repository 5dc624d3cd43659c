"""Merges the config of a provider with its built-in row, and signs requests to it."""

import os
import re

from msgspec.structs import replace

from perpend.backends.contract import backends
from perpend.config.schema import Auth, ProviderConfig
from perpend.errors import BadRequest, ConfigError
from perpend.providers.provider import Provider, providers
from perpend.transport import google_token, sigv4
from perpend.transport.client import HTTPClient, Signer

_SIGNED = ("sigv4", "google")
"""Ways to authorise a request without a key."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def account_of(name: str, config: ProviderConfig | None) -> tuple[Provider, ProviderConfig] | None:
    """The row and the config of provider `name`, each complete; None where neither is there.

    The variable of a row's key, and credentials in its place, are read for the row's own address only, so that they
    are sent to no other unless the config says so. Raises ConfigError for an unknown wire, and for a variable of the
    address that isn't set.
    """
    row = providers().get((config and config.like) or name)
    if row is None and config is None:
        return None
    row, config = row or Provider(name=name, splits="if_told"), config or ProviderConfig()
    wire = config.wire or row.wire
    check_wire(name, wire)
    at_home = config.base_url is None
    auth = config.auth or (row.auth if at_home or row.auth not in _SIGNED else "bearer")
    key_env = config.api_key_env
    optional = auth in _SIGNED and (config.auth is not None or row.key_env not in os.environ)
    if at_home and config.api_key_file is None and not optional:
        key_env = key_env or row.key_env or None
    base_url = (config.base_url or _filled(name, row.base_url)).rstrip("/")
    headers = {**row.headers, **config.headers}
    background = row.background if config.background is None else config.background
    row = replace(row, name=name, wire=wire, base_url=base_url, auth=auth, background=background)
    return row, replace(config, wire=wire, base_url=base_url, api_key_env=key_env, headers=headers)


def seller_of(name: str, config: ProviderConfig | None) -> str:
    """The provider under which its prices are listed: `like`, where that has the same address."""
    known = config.like if config is not None and config.like and config.base_url is None else name
    row = providers().get(known)
    return (row and row.prices) or known


def check_wire(name: str, wire: str) -> None:
    """Raises ConfigError naming the nearest wire."""
    try:
        backends.get(wire)
    except BadRequest as error:
        path = f"providers.{name}.wire"
        raise ConfigError(f"{path}: {error.message}", hint=error.hint, field=path) from None


def key_header(auth: Auth, key: str) -> dict[str, str]:
    """The header that carries an API key."""
    return {"authorization": f"Bearer {key}"} if auth in ("bearer", *_SIGNED) else {auth: key}


def signer_of(row: Provider, http: HTTPClient) -> Signer | None:
    """The signer for a provider without a key; None where it needs none. Raises ConfigError for missing credentials."""
    if row.auth == "sigv4":
        sigv4.credentials()  # raises for missing ones now, not at the first request
        return sigv4.SigV4(sigv4.scope_of(row.base_url), sigv4.credentials)
    return google_token.GoogleToken(http, google_token.credentials()) if row.auth == "google" else None


def _filled(name: str, base_url: str) -> str:
    def value(found: re.Match[str]) -> str:
        if not (text := os.environ.get(found[1])):
            raise ConfigError(
                f"providers.{name}.base_url: {found[1]} isn't set",
                hint=f"export {found[1]}=…, or set base_url",
            )
        return text.rstrip("/")

    return _VARIABLE.sub(value, base_url)
