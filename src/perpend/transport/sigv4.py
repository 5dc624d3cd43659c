"""AWS Signature Version 4: signs each request to Bedrock, where no API key is given.

Source: AWS's "Create a signed AWS API request"; the services' names as openai 3.54 and anthropic 2.13 have them.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Callable
from configparser import Error as ParserError
from configparser import RawConfigParser
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

from perpend.errors import ConfigError

_SERVICES = (
    (re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\."), "bedrock"),
    (re.compile(r"^bedrock-mantle\.([a-z0-9-]+)\."), "bedrock-mantle"),
)
"""The service's name in a signature, by the host's name; the group is the region."""
_HINT = "export AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…, or AWS_PROFILE=…, or an API key of Bedrock"


class AWSCredentials(NamedTuple):
    access_key: str
    secret_key: str
    session_token: str = ""


class SigningScope(NamedTuple):
    """The region and service that a signature is valid for."""

    region: str
    service: str


class SigV4:
    """Implements `Signer`. Credentials are read for each request, since other tools may renew them meanwhile."""

    def __init__(
        self,
        scope: SigningScope,
        credentials: Callable[[], AWSCredentials],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._scope = scope
        self._credentials = credentials
        self._now = now

    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """The headers that sign the request. Raises ConfigError where there are no credentials."""
        stamp = self._now().strftime("%Y%m%dT%H%M%SZ")
        return _signed(method, url, body, stamp, self._scope, self._credentials())

    def refused(self, headers: dict[str, str]) -> bool:
        """False: the same key would sign the same way."""
        return False


def scope_of(url: str) -> SigningScope:
    """The scope that a Bedrock address names; for other hosts, such as a proxy's, AWS_REGION names the region.

    Raises ConfigError where neither names it.
    """
    host = urlsplit(url).hostname or ""
    for pattern, service in _SERVICES:
        if found := pattern.search(host):
            return SigningScope(found[1], service)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise ConfigError(f"{host or url}: the region of AWS isn't known", hint="export AWS_REGION=…")
    return SigningScope(region, "bedrock")


def credentials() -> AWSCredentials:
    """From the environment, else from the profile in AWS's shared credentials file. Raises ConfigError."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        return AWSCredentials(key, secret, os.environ.get("AWS_SESSION_TOKEN", ""))
    named = os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
    file = Path(named) if named else Path.home() / ".aws" / "credentials"
    profile = os.environ.get("AWS_PROFILE") or "default"
    parser = RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (ParserError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file} can't be read ({type(error).__name__})", hint=_HINT) from None
    row = dict(parser[profile]) if parser.has_section(profile) else {}
    if not (row.get("aws_access_key_id") and row.get("aws_secret_access_key")):
        raise ConfigError(
            f"no credentials of AWS: neither in the environment nor as [{profile}] in {file}", hint=_HINT
        )
    return AWSCredentials(
        row["aws_access_key_id"], row["aws_secret_access_key"], row.get("aws_session_token", "")
    )


def _signed(
    method: str, url: str, body: bytes, stamp: str, scope: SigningScope, credentials: AWSCredentials
) -> dict[str, str]:
    """The headers that sign a request; path and query of `url` are already encoded as on the wire."""
    parts = urlsplit(url)
    headers = {"host": parts.netloc, "x-amz-date": stamp}
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    names = ";".join(headers)  # already sorted
    request = "\n".join(
        (
            method,
            # encoded once more than on the wire: `:` becomes %3A, and %3A %253A
            _encoded(parts.path or "/", safe="/"),
            _query(parts.query),
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope_path = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope_path.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(
        key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope_path}\n{digest}".encode(), "sha256"
    ).hex()
    del headers["host"]  # which every request has
    credential = f"Credential={credentials.access_key}/{scope_path}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    return headers


def _query(query: str) -> str:
    pairs = [(_encoded(name), _encoded(value)) for name, value in parse_qsl(query, keep_blank_values=True)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")
