"""Google Cloud's access tokens, from a token endpoint that checks the signatures of those who ask."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from fake_server import serving

from perpend.config import Config, ModelConfig, ProviderConfig
from perpend.errors import AccountRefused, ConfigError, UpstreamError
from perpend.runtime import Runtime
from perpend.transport.client import HTTPClient, UpstreamAccount
from perpend.transport.google_token import GoogleToken, credentials
from perpend.types import Message, Request

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
GEMINI = Path(__file__).parents[1] / "fixtures" / "matrix" / "gemini" / "text.sse"


def pem(key: Any) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def unpacked(part: str) -> Any:
    return json.loads(urlsafe_b64decode(part + "=="))


class Google:
    """Gives out tokens by number, and takes the newest alone at `/x` and in Vertex's stead."""

    def __init__(self, lasts_s: float = 3600) -> None:
        self.lasts_s = lasts_s
        self.claims: list[dict[str, Any]] = []
        self.forms: list[dict[str, str]] = []
        self.given = 0
        self.takes: str | None = None
        self.refuses: web.Response | None = None
        self.bearers: list[str] = []

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        if self.refuses is not None:
            return self.refuses
        if "assertion" in form:
            header, claims, signature = form["assertion"].split(".")
            KEY.public_key().verify(
                urlsafe_b64decode(signature + "=="),
                f"{header}.{claims}".encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
            assert unpacked(header) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
            self.claims.append(unpacked(claims))
        return self._new()

    async def machine(self, request: web.Request) -> web.Response:
        assert request.headers["metadata-flavor"] == "Google"
        return self._new()

    def _new(self) -> web.Response:
        self.given += 1
        self.takes = f"ya29.token-{self.given}"
        return web.json_response({"access_token": self.takes, "expires_in": self.lasts_s})

    async def model(self, request: web.Request) -> web.Response:
        self.bearers.append(request.headers["authorization"])
        if request.headers["authorization"] != f"Bearer {self.takes}":
            said = f"invalid: {request.headers['authorization']}"
            return web.json_response({"error": {"code": 401, "message": said}}, status=401)
        return web.Response(body=b"{}" if request.path == "/x" else GEMINI.read_bytes())

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str, None]:
        app = web.Application()
        app.router.add_post("/token", self.token)
        app.router.add_get("/computeMetadata/v1/instance/service-accounts/default/token", self.machine)
        app.router.add_post("/{path:.*}", self.model)
        async with serving(app) as url:
            yield url


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where GOOGLE_APPLICATION_CREDENTIALS points to."""
    file = tmp_path / "key.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return file


def write(file: Path, url: str, **fields: str) -> None:
    account = {
        "type": "service_account",
        "client_email": "me@project.iam.gserviceaccount.com",
        "private_key": pem(KEY),
        "private_key_id": "k1",
        "token_uri": f"{url}/token",
        "project_id": "something else that a key file holds",
    }
    file.write_text(json.dumps({**account, **fields}), encoding="utf-8")


class Asking:
    """Requests of one account at the server."""

    def __init__(self, url: str) -> None:
        self.http = HTTPClient()
        self.url = f"{url}/x"
        self.token = GoogleToken(self.http, credentials())
        self.account = UpstreamAccount({}, signer=self.token)

    async def ask(self) -> None:
        assert await self.http.post_json(self.url, b"{}", self.account) == b"{}"


@asynccontextmanager
async def asking(google: Google, key_file: Path, **fields: str) -> AsyncGenerator[Asking, None]:
    async with google.serving() as url:
        write(key_file, url, **fields)
        own = Asking(url)
        yield own
        await own.http.aclose()


async def test_a_service_accounts_key_signs_for_one_token_that_all_requests_share(key_file: Path) -> None:
    google = Google()
    async with asking(google, key_file) as own:
        await asyncio.gather(*[own.ask() for _ in range(20)])
        await own.ask()
    (claims,) = google.claims
    assert claims["iss"] == "me@project.iam.gserviceaccount.com"
    assert claims["aud"].endswith("/token")
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time()) < 60
    assert google.bearers == ["Bearer ya29.token-1"] * 21


async def test_who_gives_up_waiting_leaves_the_renewal_to_the_others(key_file: Path) -> None:
    google = Google()
    async with asking(google, key_file) as own:
        first, second = asyncio.create_task(own.ask()), asyncio.create_task(own.ask())
        await asyncio.sleep(0)
        first.cancel()
        await second
    assert google.given == 1


async def test_a_token_is_renewed_before_it_ends_and_nobody_waits(key_file: Path) -> None:
    google = Google(lasts_s=200)
    async with asking(google, key_file) as own:
        await own.ask()
        stale = await own.token.headers("POST", own.url, b"")
        assert stale == {"authorization": "Bearer ya29.token-1"}
        renewal = own.token._renewal  # pyright: ignore[reportPrivateUsage]
        assert renewal is not None
        await renewal
        assert await own.token.headers("POST", own.url, b"") != stale


async def test_as_long_as_it_is_good_a_failed_renewal_harms_nobody(key_file: Path) -> None:
    google = Google(lasts_s=200)
    async with asking(google, key_file) as own:
        await own.ask()
        google.refuses = web.json_response({"error": "internal"}, status=500)
        for _ in range(3):
            await own.ask()
    assert google.bearers == ["Bearer ya29.token-1"] * 4


async def test_one_that_has_ended_is_waited_for(key_file: Path) -> None:
    google = Google(lasts_s=0)
    async with asking(google, key_file) as own:
        await own.ask()
        await own.ask()
    assert google.bearers == ["Bearer ya29.token-1", "Bearer ya29.token-2"]


async def test_a_401_renews_once_for_all_that_it_was_said_to(key_file: Path) -> None:
    google = Google()
    async with asking(google, key_file) as own:
        await own.ask()
        google.takes = "nothing: it was revoked"
        await asyncio.gather(*[own.ask() for _ in range(5)])
    assert google.given == 2


async def test_a_second_401_is_told_without_the_token(key_file: Path) -> None:
    google = Google()
    async with asking(google, key_file) as own:
        google._new = lambda: web.json_response({"access_token": "ya29.useless-one", "expires_in": 9})  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(AccountRefused, match=r"invalid: Bearer \(hidden\)") as refused:
            await own.ask()
    assert "ya29" not in str(refused.value)
    assert len(google.bearers) == 2


async def test_a_user_who_logged_in_has_a_refresh_token(key_file: Path) -> None:
    google = Google()
    user = {"client_id": "i", "client_secret": "s", "refresh_token": "r", "quota_project_id": "q"}
    async with asking(google, key_file, type="authorized_user", **user) as own:
        await own.ask()
        assert (await own.token.headers("POST", own.url, b""))["x-goog-user-project"] == "q"
    grant = {"grant_type": "refresh_token", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    assert google.forms == [grant]


async def test_a_machine_has_an_account_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    google = Google()
    async with google.serving() as url:
        monkeypatch.setenv("GCE_METADATA_HOST", url.removeprefix("http://"))
        own = Asking(url)
        await own.ask()
        await own.http.aclose()
    assert google.bearers == ["Bearer ya29.token-1"]


def test_what_gcloud_wrote_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    assert credentials() is None
    user = {"type": "authorized_user", "refresh_token": "r"}
    (tmp_path / "application_default_credentials.json").write_text(json.dumps(user), encoding="utf-8")
    found = credentials()
    assert found is not None
    assert found.refresh_token == "r"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.json_response({"error": "invalid_grant", "error_description": "Invalid JWT: clock"}, status=400), "clock"),
        (web.json_response({"error": {"message": "try later"}}, status=503), "try later"),
        (web.Response(body=b"<html>"), "can't be read|malformed"),
    ],
)  # fmt: skip
async def test_why_there_is_no_token_is_told_to_each_who_waits(
    answer: web.Response, said: str, key_file: Path
) -> None:
    google = Google()
    google.refuses = web.Response(body=answer.body, status=answer.status)
    async with asking(google, key_file) as own:
        failures = await asyncio.gather(*[own.ask() for _ in range(2)], return_exceptions=True)
    assert failures[0] is not failures[1]
    for failure in failures:
        assert isinstance(failure, UpstreamError)
        assert not failure.billed
        assert failure.retry_elsewhere
        assert failure.message.startswith("no access token of Google Cloud: ")
        assert "GOOGLE_APPLICATION_CREDENTIALS" in str(failure.hint)
    assert google.bearers == []


class TestAKeyThatCannotBeUsed:
    def test_is_not_there(self, key_file: Path) -> None:
        with pytest.raises(ConfigError, match="No such file"):
            credentials()

    @pytest.mark.parametrize("text", ["{", '{"type": "external_account", "secret": "s3cret"}', "[]"])
    def test_is_of_another_kind(self, text: str, key_file: Path) -> None:
        key_file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="no key of a service account") as refused:
            credentials()
        assert "s3cret" not in str(refused.value)

    @pytest.mark.parametrize("key", ["", "nonsense", pem(ec.generate_private_key(ec.SECP256R1()))])
    def test_is_no_rsa_key(self, key: str, key_file: Path) -> None:
        write(key_file, "http://x", private_key=key)
        with pytest.raises(ConfigError, match="no RSA key"):
            GoogleToken(HTTPClient(), credentials())


async def test_models_of_a_provider_share_its_token_and_another_address_gets_it_only_when_asked(
    tmp_path: Path, key_file: Path
) -> None:
    google = Google()
    async with google.serving() as url:
        write(key_file, url)
        config = Config(
            home=tmp_path,
            providers={
                "here": ProviderConfig(like="vertex", base_url=url, auth="google"),
                "proxy": ProviderConfig(like="vertex", base_url=url),
            },
            models={
                "a": ModelConfig(provider="here", name="gemini-2.5-flash"),
                "b": ModelConfig(provider="here", name="gemini-2.5-pro"),
                "c": ModelConfig(provider="proxy", name="gemini-2.5-pro"),
            },
        )
        async with await Runtime.open(config) as runtime:
            for model in ("a", "b"):
                answer = await runtime.solve(Request(messages=(Message("user", "?"),), model=model))
                assert answer.text == "42"
            with pytest.raises(UpstreamError):
                await runtime.solve(Request(messages=(Message("user", "?"),), model="c"))
    assert google.given == 1
    assert set(google.bearers) == {"Bearer ya29.token-1"}
