"""What the upstream client sends beside a fixed POST: GET, requests that are signed, and what is left for later."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from fake_server import serving

from perpend.errors import AccountRefused
from perpend.transport.client import HTTPClient, UpstreamAccount


class Server:
    """Says 401 and what it was signed with, or `{}`."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.asked: list[web.Request] = []
        self._refuses = refuses

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        await request.read()
        await asyncio.sleep(0)
        signature = request.headers.get("x-signed", "")
        return web.Response(status=401, text=signature) if self._refuses else web.Response(text="{}")

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[tuple[str, HTTPClient], None]:
        app, client = web.Application(), HTTPClient()
        app.router.add_route("*", "/x", self.answer)
        async with serving(app) as url:
            try:
                yield f"{url}/x", client
            finally:
                await client.aclose()


async def test_a_get_has_no_body_and_leaves_its_connection_for_the_next() -> None:
    server = Server()
    async with server.serving() as (url, client):
        for _ in range(2):
            assert await client.get_json(f"{url}?a=b", UpstreamAccount({"x-key": "k"})) == b"{}"
        first, second = server.asked
        assert first.transport is second.transport
    assert (first.method, first.path_qs, first.headers["x-key"]) == ("GET", "/x?a=b", "k")
    assert "content-length" not in first.headers


class Numbered:
    """A signer whose headers tell how often it was asked, and for what."""

    def __init__(self, *, renews: bool) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self._renews = renews

    async def headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        self.asked.append((method, url, body))
        return {"x-signed": f"number-{len(self.asked):012}"}

    def refused(self, headers: dict[str, str]) -> bool:
        assert headers == {"x-signed": f"number-{len(self.asked):012}"}
        return self._renews


async def test_a_signer_is_asked_before_each_request() -> None:
    server, signer = Server(), Numbered(renews=True)
    async with server.serving() as (url, client):
        account = UpstreamAccount({}, signer=signer)
        await client.post_json(url, b"[]", account)
        await client.get_json(url, account)
    assert signer.asked == [("POST", url, b"[]"), ("GET", url, b"")]
    assert [asked.headers["x-signed"][-1] for asked in server.asked] == ["1", "2"]


@pytest.mark.parametrize(("renews", "times"), [(True, 2), (False, 1)])
async def test_and_once_more_after_a_401_if_that_may_help(renews: bool, times: int) -> None:
    server, signer = Server(refuses=True), Numbered(renews=renews)
    async with server.serving() as (url, client):
        with pytest.raises(AccountRefused, match=r"answered 401: \(hidden\)"):
            await client.post_json(url, b"{}", UpstreamAccount({}, signer=signer))
    assert signer.asked == [("POST", url, b"{}")] * times
    assert len(server.asked) == times


async def test_what_is_left_for_later_is_done_before_the_end_and_may_fail_unheard() -> None:
    done: list[bytes] = []
    server = Server()
    async with server.serving() as (url, client):

        async def ask(address: str) -> None:
            done.append(await client.post_json(address, b"", UpstreamAccount({})))

        client.run_in_background(ask(url))
        client.run_in_background(ask("http://127.0.0.1:9/nobody"))
        assert done == []
    assert done == [b"{}"]
