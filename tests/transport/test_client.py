"""The upstream client on real sockets: whatever way a server sends its bytes, and whenever it stops."""

import asyncio
import gzip
import itertools
import ssl
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.errors import AccountRefused, ConfigError, UpstreamError, UpstreamMalformed, UpstreamTimeout
from perpend.transport import client as http
from perpend.transport.client import HTTPClient, Timeouts, UpstreamAccount

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
EVENTS = [b'{"n": 1}', b'{"n": 2}', b"[DONE]"]
BODY = b"".join(b"data: " + event + b"\n\n" for event in EVENTS)
PACKED = gzip.compress(BODY)

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


WHOLE = CHUNKED + b"".join(chunk(b"data: " + event + b"\n\n") for event in EVENTS) + chunk(b"")


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


def saying(*pieces: bytes, then_close: bool = False) -> Peer:
    """Answers every request of a connection with `pieces`, each in a write of its own."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_of(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if then_close:
                return

    return peer


class Server:
    """`connections` counts those that were made."""

    def __init__(self, peer: Peer) -> None:
        self.connections = 0
        self._peer = peer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._peer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    peer: Peer, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[tuple[str, Server, HTTPClient], None]:
    server, client = Server(peer), HTTPClient()
    listener = await asyncio.start_server(server, "127.0.0.1", 0, ssl=tls)
    scheme, port = "https" if tls else "http", listener.sockets[0].getsockname()[1]
    try:
        yield (
            f"{scheme}://localhost:{port}/v1/x" if tls else f"{scheme}://127.0.0.1:{port}/v1/x",
            server,
            client,
        )
    finally:
        await client.aclose()
        listener.close()


async def events(client: HTTPClient, url: str, account: UpstreamAccount | None = None) -> list[bytes]:
    reads = client.stream_sse(url, b"{}", account or UpstreamAccount({}))
    async with aclosing(reads):
        return [event async for read in reads for event in read]


@given(cuts=st.lists(st.integers(1, len(WHOLE) - 1), max_size=6))
def test_any_pieces_on_the_wire_give_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[a:b] for a, b in itertools.pairwise(edges) if b > a]

    async def run() -> None:
        async with serving(saying(*pieces)) as (url, _, client):
            assert await events(client, url) == EVENTS

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + b"content-length: %d\r\n\r\n" % len(BODY) + BODY, id="with its length"),
        pytest.param(OK + b"\r\n" + BODY, id="until the connection ends"),
        pytest.param(OK.replace(b"1.1", b"1.0") + b"\r\n" + BODY, id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + WHOLE, id="hints first"),
        pytest.param(
            OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(PACKED), PACKED),
            id="compressed though not asked to",
        ),
    ],
)  # fmt: skip
async def test_every_framing_of_a_response_is_read(answer: bytes) -> None:
    async with serving(saying(answer, then_close=True)) as (url, _, client):
        assert await events(client, url) == EVENTS


async def test_a_compressed_piece_without_text_is_not_the_end() -> None:
    head = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(PACKED)
    async with serving(saying(head, PACKED[:10], PACKED[10:])) as (url, _, client):
        assert await events(client, url) == EVENTS


async def test_what_is_sent_is_one_whole_request() -> None:
    seen: list[bytes] = []

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(OK + b"content-length: 2\r\n\r\n{}")

    async with serving(peer) as (url, _, client):
        account = UpstreamAccount({"authorization": "Bearer k", "content-type": "application/json"})
        assert await client.post_json(url + "?a=b", b'{"q": 1}', account) == b"{}"
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/x?a=b HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\nauthorization: Bearer k\r\n" in head
    assert body == b'{"q": 1}'


async def test_a_finished_connection_is_used_again() -> None:
    async with serving(saying(WHOLE)) as (url, server, client):
        for _ in range(5):
            assert await events(client, url) == EVENTS
        assert server.connections == 1


async def test_a_response_that_says_close_is_not_followed_by_another_on_its_connection() -> None:
    closing = WHOLE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
    async with serving(saying(closing, then_close=True)) as (url, server, client):
        assert await events(client, url) == await events(client, url) == EVENTS
        assert server.connections == 2


async def test_a_connection_that_went_stale_is_replaced_unseen() -> None:
    async def one_answer_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(WHOLE)
        await request_of(reader)  # the second request is taken, and its connection closed without a word

    async with serving(one_answer_each) as (url, server, client):
        assert await events(client, url) == EVENTS
        assert await events(client, url) == EVENTS
        assert server.connections == 2


async def test_a_request_that_was_answered_in_part_is_never_sent_again() -> None:
    async with serving(saying(CHUNKED + chunk(b"data: 1\n\n"), then_close=True)) as (url, server, client):
        async with aclosing(client.stream_sse(url, b"{}", UpstreamAccount({}))) as reads:
            assert await anext(reads) == [b"1"]
            with pytest.raises(UpstreamError, match="closed the connection"):
                await anext(reads)
        assert server.connections == 1


async def test_leaving_a_stream_early_drops_its_connection_at_once() -> None:
    gone = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(CHUNKED)
        try:
            while True:
                writer.write(chunk(b"data: x\n\n"))
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    async with serving(endless) as (url, _, client):
        async with aclosing(client.stream_sse(url, b"{}", UpstreamAccount({}))) as reads:
            assert await anext(reads)
        await asyncio.wait_for(gone.wait(), timeout=1)


async def test_an_upstream_faster_than_its_reader_is_paused() -> None:
    sent = 0
    piece = chunk(b"data: " + b"x" * 65_000 + b"\n\n")

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request_of(reader)
        writer.write(CHUNKED)
        while True:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async with (
        serving(flood) as (url, _, client),
        aclosing(client.stream_sse(url, b"{}", UpstreamAccount({}))) as reads,
    ):
        await anext(reads)
        await asyncio.sleep(0.3)
        standing = sent
        await asyncio.sleep(0.1)
        assert sent == standing
        assert len(await anext(reads)) < 100
        while sent == standing:
            await anext(reads)


LIFE = CHUNKED + chunk(b": still here\n\n")
FIRST = CHUNKED + chunk(b"data: 1\n\n")


@pytest.mark.parametrize(
    ("said", "again", "timeouts", "expected"),
    [
        (b"", b"", Timeouts(first_token_s=0.1), r"first token didn't come within 0\.1 s"),
        (
            LIFE,
            chunk(b": still here\n\n"),
            Timeouts(first_token_s=0.1),
            r"first token didn't come within 0\.1 s",
        ),
        (FIRST, b"", Timeouts(read_s=0.1), r"nothing came for 0\.1 s"),
        (FIRST, chunk(b"data: 1\n\n"), Timeouts(total_s=0.1), r"no end came within 0\.1 s"),
    ],
    ids=["silence", "signs of life", "between tokens", "no end"],
)
async def test_each_phase_has_its_patience(
    said: bytes, again: bytes, timeouts: Timeouts, expected: str
) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(said)
        for _ in range(50):
            await asyncio.sleep(0.02)
            writer.write(again)

    async with serving(peer) as (url, _, client):
        with pytest.raises(UpstreamTimeout, match=expected) as caught:
            await events(client, url, UpstreamAccount({}, timeouts))
        assert caught.value.billed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "headers have more than"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, "headers have more than"),
        (OK + b"\r\n" + b"data: " + b"x" * 9_000_000, "an event has more than"),
        (OK + b"content-encoding: gzip\r\n\r\n" + gzip.compress(bytes(20_000_000)), "isn't HTTP"),
    ],
    ids=["many headers", "a long header", "an event without an end", "a compressed bomb"],
)
async def test_what_has_no_bound_is_cut_off(answer: bytes, said: str) -> None:
    async with serving(saying(answer, then_close=True)) as (url, _, client):
        with pytest.raises(UpstreamMalformed, match=said):
            await events(client, url)


async def test_a_key_that_an_upstream_repeats_is_not_shown() -> None:
    body = b'{"error": {"message": "Incorrect API key provided: sk-0123456789abcdef", "code": "invalid_api_key"}}'
    refusal = b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with serving(saying(refusal)) as (url, _, client):
        with pytest.raises(AccountRefused, match=r"provided: \(hidden\)") as caught:
            await events(client, url, UpstreamAccount({"authorization": "Bearer sk-0123456789abcdef"}))
    assert "sk-0123" not in str(caught.value)
    assert not caught.value.billed


async def test_a_slow_stream_that_goes_on_is_no_timeout() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(CHUNKED)
        for _ in range(5):
            await asyncio.sleep(0.06)
            writer.write(chunk(b"data: 1\n\n"))
        writer.write(chunk(b""))
        await asyncio.sleep(1)

    async with serving(slow) as (url, _, client):
        assert await events(client, url, UpstreamAccount({}, Timeouts(read_s=0.2))) == [b"1"] * 5


async def test_an_error_carries_status_excerpt_and_when_to_come_back() -> None:
    refusal = b"HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nslow"
    async with serving(saying(refusal)) as (url, _, client):
        with pytest.raises(UpstreamError, match="answered 429: slow") as caught:
            await events(client, url)
        assert (caught.value.upstream_status, caught.value.retry_after) == (429, 7)
        with pytest.raises(UpstreamError):
            await client.post_json(url, b"{}", UpstreamAccount({}))


async def test_what_is_not_http_is_an_upstream_error() -> None:
    async with serving(saying(b"SSH-2.0-OpenSSH\r\n", then_close=True)) as (url, _, client):
        with pytest.raises(UpstreamError, match="isn't HTTP"):
            await events(client, url)


async def test_nobody_listening_is_an_upstream_error_with_a_hint() -> None:
    with pytest.raises(UpstreamError) as caught:
        await events(HTTPClient(), "http://127.0.0.1:9/v1")
    assert caught.value.hint == "is the server running and reachable?"


@pytest.mark.parametrize("url", ["ftp://x/v1", "localhost:8000/v1", "http://me:secret@host/v1"])
async def test_an_address_that_cannot_be_used_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await events(HTTPClient(), url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["k\r\nx-evil: 1", "k\n", "schlüssel"])
def test_a_header_that_cannot_be_sent_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        UpstreamAccount({"authorization": value})
    assert value not in str(caught.value)


@pytest.fixture
def own_certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key and the certificate of `localhost` that it signed itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*new, *names], check=True, capture_output=True)
    return key, certificate


async def test_tls_is_spoken_and_its_certificate_checked(
    own_certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = own_certificate
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    async with serving(saying(WHOLE), server_side) as (url, server, client):
        with pytest.raises(UpstreamError, match="self-signed certificate"):
            await events(client, url)
        trusting = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(http, "_tls", lambda: trusting)
        assert await events(client, url) == await events(client, url) == EVENTS
        assert server.connections == 1


class Proxy:
    """An HTTP proxy that lets everything through; `heads` are the requests that opened a tunnel."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.heads: list[bytes] = []
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ends = [writer]
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            writer.write(self._answer)
            if b" 200 " in self._answer:
                host, _, port = head.split(b" ")[1].decode().rpartition(":")
                there, out = await asyncio.open_connection(host, int(port))
                open_ends.append(out)
                await asyncio.wait(
                    [asyncio.ensure_future(pump(reader, out)), asyncio.ensure_future(pump(there, writer))],
                    return_when=asyncio.ALL_COMPLETED,
                )
        finally:
            for end in open_ends:
                end.close()


async def pump(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65_536):
            into.write(data)
    into.close()


@asynccontextmanager
async def proxying(proxy: Proxy) -> AsyncGenerator[str, None]:
    listener = await asyncio.start_server(proxy, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        await asyncio.sleep(0.05)


async def test_a_provider_is_reached_through_its_proxy() -> None:
    proxy = Proxy()
    async with serving(saying(WHOLE)) as (url, server, client), proxying(proxy) as address:
        account = UpstreamAccount({}, proxy=f"http://me:p%40ss@{address}")
        assert await events(client, url, account) == await events(client, url, account) == EVENTS
        assert server.connections == 1
        await client.aclose()
        await asyncio.sleep(0.05)
    (head,) = proxy.heads
    assert head.startswith(b"CONNECT 127.0.0.1:")
    assert b"proxy-authorization: Basic bWU6cEBzcw==\r\n" in head


async def test_tls_goes_through_the_proxy_of_the_environment(
    own_certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = own_certificate
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(http, "_tls", lambda: trusting)
    proxy = Proxy()
    async with serving(saying(WHOLE), server_side) as (url, _, client), proxying(proxy) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        monkeypatch.setenv("NO_PROXY", "")
        assert await events(client, url) == EVENTS
        await client.aclose()
        await asyncio.sleep(0.1)
    async with serving(saying(WHOLE), server_side) as (url, _, client):
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert await events(client, url) == EVENTS
        await client.aclose()
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Who are you?\r\n\r\n", b"SSH-2.0\r\n\r\n", b""])
async def test_a_proxy_that_refuses_is_an_upstream_error_that_cost_nothing(answer: bytes) -> None:
    async with serving(saying(WHOLE)) as (url, _, client), proxying(Proxy(answer)) as address:
        with pytest.raises(UpstreamError, match="proxy") as caught:
            await events(client, url, UpstreamAccount({}, proxy=f"http://{address}"))
        assert not caught.value.billed
