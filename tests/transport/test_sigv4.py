"""AWS's signatures: by the vectors that AWS publishes, and as botocore signs the very requests that are sent here."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from event_streams import chunk
from fake_server import serving

from perpend.config import Config, ModelConfig, ProviderConfig
from perpend.errors import ConfigError
from perpend.runtime import Runtime
from perpend.transport.client import HTTPClient, UpstreamAccount
from perpend.transport.sigv4 import AWSCredentials, SigningScope, SigV4, credentials, scope_of
from perpend.transport.sse import SSEParser
from perpend.types import Message, Request

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY = Path(__file__).parents[1] / "fixtures" / "matrix" / "anthropic" / "text.sse"
LETTERS = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PUBLISHED = [
    ("GET", "/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("GET", f"/{LETTERS}", "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ("GET", "/ሴ", "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ("GET", "/example space/", "", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    ("GET", "/?Param1=value1", "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    (
        "GET",
        "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        "",
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    ),
    (
        "GET",
        "/?Param2=value2&Param1=value1",
        "",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "GET",
        f"/?{LETTERS}={LETTERS}",
        "",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    ("GET", "/?ሴ=bar", "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    (
        "GET",
        "/",
        "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    ),
    ("POST", "/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("POST", "/?Param1=value1", "", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
]
"""Of AWS's Signature Version 4 test suite (aws-c-auth 495329c): method, address, session token, signature."""
RUNTIME, MANTLE = "https://bedrock-runtime.{}.amazonaws.com", "https://bedrock-mantle.us-west-2.api.aws"
BOTOCORE = [
    (
        "POST",
        f"{RUNTIME.format('us-east-1')}/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/invoke-with-response-stream",
        b'{"a":1}',
        "",
        "129da98db80d960db89a6b378c531b909b5e0f13875bff85f8cd3f352358e039",
    ),
    (
        "POST",
        f"{RUNTIME.format('eu-central-1')}/model/"
        "arn:aws:bedrock:eu-central-1:123456789012:inference-profile%2Fmine/invoke-with-response-stream",
        b'{"a":1}',
        "TOKEN/+==",
        "7f1ed736c913e9aa9df761a8dcab18c6a093f06ca98a7eb4c11654be7501e9da",
    ),
    (
        "POST",
        f"{MANTLE}/openai/v1/responses",
        '{"t":"é"}'.encode(),
        "",
        "6039572a97e7a1de8148a4c8746c3040bbaa471c256031bbcd7dcd9eb189e804",
    ),
    (
        "GET",
        f"{MANTLE}/openai/v1/responses/resp_1?stream=true&starting_after=12&include%5B%5D=reasoning.encrypted_content",
        b"",
        "",
        "e6f74ebd2ca87c075f94aad31872ce4aa7c5320bd0ef12877c89f2081a6bd05a",
    ),
]
"""As botocore 1.44.8 signs them at noon of 2026-11-25."""


async def signature(scope: SigningScope, token: str, now: datetime, request: tuple[str, str, bytes]) -> str:
    signer = SigV4(scope, lambda: AWSCredentials("AKIDEXAMPLE", SECRET, token), lambda: now)
    headers = await signer.headers(*request)
    assert headers.get("x-amz-security-token", "") == token
    assert SECRET not in str(headers)
    return headers["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(("method", "path", "token", "expected"), PUBLISHED)
async def test_as_published(method: str, path: str, token: str, expected: str) -> None:
    then = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    request = (method, f"https://example.amazonaws.com{path}", b"")
    assert await signature(SigningScope("us-east-1", "service"), token, then, request) == expected


@pytest.mark.parametrize(("method", "url", "body", "token", "expected"), BOTOCORE)
async def test_as_botocore(method: str, url: str, body: bytes, token: str, expected: str) -> None:
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert await signature(scope_of(url), token, noon, (method, url, body)) == expected


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", SigningScope("us-east-1", "bedrock")),
        (
            "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            SigningScope("us-gov-west-1", "bedrock"),
        ),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", SigningScope("cn-north-1", "bedrock")),
        (
            "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
            SigningScope("eu-west-1", "bedrock"),
        ),
        (
            "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1",
            SigningScope("us-east-1", "bedrock-mantle"),
        ),
        ("http://proxy:8080/bedrock", SigningScope("ap-south-1", "bedrock")),
    ],
)
def test_region_and_service_are_the_addresss(
    url: str, scope: SigningScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert scope_of(url) == scope


def test_a_region_that_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(ConfigError, match="the region of AWS isn't known"):
        scope_of("http://proxy:8080")


class TestCredentials:
    @pytest.fixture(autouse=True)
    def file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        file = tmp_path / "credentials"
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        return file

    def test_the_environments_go_first(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = s%x\n", encoding="utf-8")
        assert credentials() == AWSCredentials("a", "s%x")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "T")
        assert credentials() == AWSCredentials("A", "S", "T")

    def test_a_profile_is_read_anew_when_a_tool_renewed_it(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "work")
        for key in ("first", "second"):
            rows = f"aws_access_key_id={key}\naws_secret_access_key=s\naws_session_token=t"
            file.write_text(f"[default]\n[work]\n{rows}\n", encoding="utf-8")
            assert credentials() == AWSCredentials(key, "s", "t")

    @pytest.mark.parametrize("text", ["", "[default]\naws_access_key_id = a\n", "aws_access_key_id = k3y\n"])
    def test_none_are_told_without_what_the_file_says(self, text: str, file: Path) -> None:
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as refused:
            credentials()
        assert "AWS_ACCESS_KEY_ID" in str(refused.value.hint)
        assert "k3y" not in str(refused.value)


class Bedrock:
    """A server that keeps what came, as it came."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.raw_path, headers, await request.read()))
        return web.Response(body=b"".join(map(chunk, SSEParser().feed(BODY.read_bytes()))))


@pytest.mark.parametrize(
    "model", ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "arn:aws:b:x:1:profile/mine"]
)
async def test_what_arrives_is_what_was_signed(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    server = Bedrock()
    app = web.Application()
    app.router.add_post("/{path:.*}", server.answer)
    async with serving(app) as url:
        config = Config(
            home=tmp_path,
            providers={"aws": ProviderConfig(like="bedrock-anthropic", base_url=url, auth="sigv4")},
            models={"m": ModelConfig(provider="aws", name=model, family="claude-extended")},
        )
        async with await Runtime.open(config) as runtime:
            answer = await runtime.solve(Request(messages=(Message("user", "?"),), model="m"))
    assert answer.text == "42"
    path, headers, body = server.asked[0]
    then = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    request = ("POST", f"http://{headers['host']}{path}", body)
    expected = await signature(SigningScope("eu-west-1", "bedrock"), "", then, request)
    assert headers["authorization"].endswith(f"SignedHeaders=host;x-amz-date, Signature={expected}")


async def test_a_signature_that_was_refused_is_not_made_again() -> None:
    asked: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.headers["authorization"])
        return web.json_response({"message": "The security token included is invalid"}, status=401)

    app = web.Application()
    app.router.add_post("/x", refuse)
    http = HTTPClient()
    async with serving(app) as url:
        signer = SigV4(SigningScope("x", "bedrock"), lambda: AWSCredentials("AKIDEXAMPLE", SECRET))
        with pytest.raises(Exception, match="security token included is invalid"):
            await http.post_json(f"{url}/x", b"{}", UpstreamAccount({}, signer=signer))
        await http.aclose()
    assert len(asked) == 1
