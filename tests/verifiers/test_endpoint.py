"""A verifier behind HTTP: public addresses only, unless the config allows others; no redirect is followed."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from fake_server import serving

from perpend.errors import BadRequest, VerifierFailed
from perpend.transport.client import HTTPClient
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
    "url",
    [
        *(
            "ftp://example.com",
            "example.com",
            "http://127.0.0.1/",
            "http://10.0.0.7/x",
            "http://example.com:99999/",
        ),
        *(
            f"http://{'a' * 64}.example/",
            "http://ｌｏｃａｌｈｏｓｔ/",
            "http://127。0。0。1/",
            "http://user@example.com/",
        ),
    ],
)
def test_where_a_client_cannot_lead_us(url: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Endpoint(url=url)
    assert refused.value.field == "verifier.url"


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Names resolve to these, one look-up after the other; the names."""
    asked: list[str] = []

    async def found(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", (answers[len(asked) - 1], port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    return asked


async def test_a_public_name_may_not_lead_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up when the connection is made: what it resolved to before counts for nothing."""
    asked = resolving(monkeypatch, "93.184.216.34", "127.0.0.1")
    verifier = Endpoint(url="http://verifier.example.com/")
    await verifier.check(TASK)
    with pytest.raises(VerifierFailed, match="isn't at a public address"):
        await verifier.verify(TASK, CANDIDATE)
    assert asked == ["verifier.example.com"] * 2
    await verifier.aclose()


async def test_a_name_that_leads_home_is_refused_before_anything_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, "::ffff:10.0.0.1")
    verifier = Endpoint(url="http://verifier.example.com/")
    with pytest.raises(BadRequest) as refused:
        await verifier.check(TASK)
    assert refused.value.field == "verifier.url"
    await verifier.aclose()


async def test_it_is_the_address_that_was_looked_at_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name isn't looked up a second time in between."""
    asked = resolving(monkeypatch, "93.184.216.34")
    connected: list[tuple[str, int]] = []

    async def connect(_: Any, host: str, port: int, **__: Any) -> Any:
        connected.append((host, port))
        raise ConnectionRefusedError("nobody is there")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    verifier = Endpoint(url="http://verifier.example.com:81/")
    with pytest.raises(VerifierFailed, match="nobody is there"):
        await verifier.verify(TASK, CANDIDATE)
    assert (asked, connected) == (["verifier.example.com"], [("93.184.216.34", 81)])
    await verifier.aclose()


@pytest.mark.parametrize("error", [OSError("no such name"), TimeoutError()])
async def test_a_name_that_leads_nowhere_is_left_to_the_one_who_connects(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nowhere(*_: Any, **__: Any) -> list[Any]:
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    verifier = Endpoint(url="http://verifier.example.com/")
    await verifier.check(TASK)
    with pytest.raises(VerifierFailed):
        await verifier.verify(TASK, CANDIDATE)
    await verifier.aclose()
