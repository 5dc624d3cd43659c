"""Access tokens of Google Cloud, for Vertex AI where no token is given; renewed before they expire.

Credentials are looked for as Google's libraries do (Application Default Credentials): the file that
GOOGLE_APPLICATION_CREDENTIALS names, the one that `gcloud auth application-default login` wrote, the machine's own
account from its metadata server. Sources: RFC 7523; google-auth 2.63.
"""

import asyncio
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from perpend.errors import (
    AccountRefused,
    ClientMessage,
    ConfigError,
    Rejected,
    UpstreamError,
    UpstreamMalformed,
)
from perpend.transport.client import HTTPClient, Timeouts, UpstreamAccount

_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_METADATA_PATH = "computeMetadata/v1/instance/service-accounts/default/token"
_ASSERTION_S = 3600
"""Seconds that an assertion is valid: the most that Google accepts."""
_RENEW_BEFORE_S = 225.0
"""Seconds before its end at which a token is renewed; the metadata server has no new one much earlier."""
_TIMEOUTS = Timeouts(connect_s=5.0, first_token_s=20.0, read_s=20.0, total_s=30.0)
_HINT = (
    f"set {_FILE} to a service account's key file, run `gcloud auth application-default login`, or give a token "
    "(api_key_env)"
)


class GoogleCredentials(Struct, frozen=True):
    """A key file: of a service account, or of a user who logged in."""

    type: Literal["service_account", "authorized_user"]
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 -- an address
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    quota_project_id: str = ""


class _Token(Struct):
    access_token: str
    expires_in: float


class GoogleToken:
    """Implements `Signer`. Requests that come during a renewal share it."""

    def __init__(self, http: HTTPClient, credentials: GoogleCredentials | None) -> None:
        """`credentials` None: the machine's own account. Raises ConfigError for a key that can't be used."""
        self._http = http
        self._credentials = credentials
        self._sign = _signer(credentials) if credentials and credentials.type == "service_account" else None
        self._headers: dict[str, str] = {}
        self._until = 0.0
        self._renewal: asyncio.Task[UpstreamError | None] | None = None

    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """The token's header; waits for a renewal only once the token has expired. Raises UpstreamError."""
        left_s = self._until - time.monotonic()
        if left_s < _RENEW_BEFORE_S and self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
        if left_s <= 0 and self._renewal is not None:
            failure = await asyncio.shield(self._renewal)
            if failure is not None:
                raise _no_token(failure)
        return self._headers

    def refused(self, headers: dict[str, str]) -> bool:
        """Have the token renewed, unless another request has done so since."""
        if headers is self._headers:
            self._until = 0.0
        return True

    async def _renew(self) -> UpstreamError | None:
        """The failure, or None. Returned and not raised: each request that waits raises an error of its own."""
        try:
            token = msgspec.json.decode(await self._fetch(), type=_Token)
        except UpstreamError as error:
            return error
        except ValueError as error:
            return UpstreamMalformed(str(error))
        finally:
            self._renewal = None
        headers = {"authorization": f"Bearer {token.access_token}"}
        if self._credentials is not None and self._credentials.quota_project_id:
            headers["x-goog-user-project"] = self._credentials.quota_project_id
        self._headers, self._until = headers, time.monotonic() + token.expires_in
        return None

    async def _fetch(self) -> bytes:
        credentials = self._credentials
        if credentials is None:
            host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
            account = UpstreamAccount({"metadata-flavor": "Google"}, _TIMEOUTS)
            return await self._http.get_json(f"http://{host}/{_METADATA_PATH}", account)
        if self._sign is not None:
            grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            form = {"grant_type": grant, "assertion": _assertion(credentials, self._sign, int(time.time()))}
        else:
            form = {
                "grant_type": "refresh_token",
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
                "refresh_token": credentials.refresh_token,
            }
        account = UpstreamAccount({"content-type": "application/x-www-form-urlencoded"}, _TIMEOUTS)
        return await self._http.post_json(credentials.token_uri, urlencode(form).encode(), account)


def credentials() -> GoogleCredentials | None:
    """The key file of this environment, or None where there is none. Raises ConfigError for one that can't be read."""
    if path_set := os.environ.get(_FILE):
        file = Path(path_set)
    else:
        folder = os.environ.get("CLOUDSDK_CONFIG")
        gcloud = Path(folder) if folder else Path.home() / ".config" / "gcloud"
        file = gcloud / "application_default_credentials.json"
        if not file.is_file():
            return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=GoogleCredentials)
    except OSError as error:
        raise ConfigError(f"{_FILE}: {file}: {error.strerror}", hint="check the path") from None
    except ValueError:  # its content isn't repeated: it holds a secret
        raise ConfigError(
            f"{_FILE}: {file} is no key of a service account or of a user", hint=_HINT
        ) from None


def _signer(credentials: GoogleCredentials) -> Callable[[bytes], bytes]:
    """RS256 with the account's private key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(credentials.private_key.encode(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError(f"{_FILE}: its private_key is no RSA key in PEM", hint=_HINT)
    return lambda data: key.sign(data, PKCS1v15(), hashes.SHA256())


def _assertion(credentials: GoogleCredentials, sign: Callable[[bytes], bytes], now: int) -> str:
    """A signed claim to be the account (RFC 7523)."""
    header = {"alg": "RS256", "typ": "JWT", "kid": credentials.private_key_id}
    claims = {
        "iss": credentials.client_email,
        "scope": _SCOPE,
        "aud": credentials.token_uri,
        "iat": now,
        "exp": now + _ASSERTION_S,
    }
    signed = f"{_packed(header)}.{_packed(claims)}"
    return f"{signed}.{_base64(sign(signed.encode()))}"


def _packed(part: dict[str, Any]) -> str:
    return _base64(msgspec.json.encode(part))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _no_token(failure: UpstreamError) -> UpstreamError:
    """The error of a request that wasn't sent, so nothing was billed."""
    kind = AccountRefused if isinstance(failure, AccountRefused | Rejected) else type(failure)
    return kind(
        f"no access token of Google Cloud: {failure.message}",
        hint=_HINT,
        redacted=ClientMessage(
            f"no access token of Google Cloud: {failure.client_message.message}", failure.client_message.hint
        ),
        upstream_status=failure.upstream_status,
        retry_after=failure.retry_after,
        billed=False,
    )
