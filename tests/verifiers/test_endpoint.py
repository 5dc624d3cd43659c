"""A verifier behind HTTP: public addresses only, unless the config allows others; no redirect is followed."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from fake_server import serving

from perpend.backends.http import HTTPClient
from perpend.errors import BadRequest, VerifierFailed
from perpend.types import Candidate, Verdict
from perpend.verifiers import Task
from perpend.verifiers.endpoint import Endpoint

TASK = Task(question="What is 3 + 4?", gold="7")
CANDIDATE = Candidate(answer="8", thinking="hm")


async def grades(request: web.Request) -> web.Response:
    body: dict[str, Any] = await request.json()
    assert body == {"question": "What is 3 + 4?", "answer": "8", "thinking": "hm", "gold": "7"}
    return web.json_response({"score": 0.25, "passed": False, "feedback": "higher"})


async def redirects(_: web.Request) -> web.Response:
    raise web.HTTPFound("/grades")


async def fails(_: web.Request) -> web.Response:
    return web.Response(status=500, text="out of order")


async def chats(_: web.Request) -> web.Response:
    return web.Response(text="looks fine")


async def hangs(_: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    return web.Response()


def app() -> web.Application:
    made = web.Application()
    for handler in (grades, redirects, fails, chats, hangs):
        made.router.add_post(f"/{handler.__name__}", handler)
    return made


async def verdict(path: str, timeout_s: float = 5.0) -> Verdict:
    http = HTTPClient()
    try:
        async with serving(app()) as url:
            return await Endpoint(http, "mine", url=f"{url}/{path}", timeout_s=timeout_s).verify(
                TASK, CANDIDATE
            )
    finally:
        await http.aclose()


async def test_it_is_given_the_candidate_and_gives_a_verdict() -> None:
    assert await verdict("grades") == Verdict(0.25, False, "higher")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("redirects", "answered 302"),
        ("fails", "out of order"),
        ("chats", "said what is no verdict: looks fine"),
        ("hangs", "'mine' can't be asked"),
    ],
)
async def test_one_that_fails_says_how(path: str, said: str) -> None:
    with pytest.raises(VerifierFailed, match=said):
        await verdict(path, timeout_s=0.5)


@pytest.mark.parametrize(
    "url", ["ftp://example.com", "example.com", "http://127.0.0.1/", "http://10.0.0.7/x"]
)
def test_where_a_client_cannot_lead_us(url: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Endpoint(url=url)
    assert refused.value.field == "verifier.url"


async def test_a_public_name_may_not_lead_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up when the connection is made: what it resolved to before counts for nothing."""
    loop = asyncio.get_running_loop()

    async def rebound(host: str, port: int, **_: Any) -> list[Any]:
        assert host == "verifier.example.com"
        return [(0, 0, 0, "", (address, port)) for address in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(loop, "getaddrinfo", rebound)
    verifier = Endpoint(url="http://verifier.example.com/")
    with pytest.raises(BadRequest, match="isn't at a public address"):
        await verifier.verify(TASK, CANDIDATE)
    await verifier.aclose()
