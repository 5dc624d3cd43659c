"""Is it the whole answer? A gateway that drops tokens or usage is fast for the wrong reason."""

import http.client
from urllib.parse import urlsplit

import msgspec

from .dialects import ANSWER, THINKING, TOKENS, Dialect, Said
from .generator import Endpoint


def verify(name: str, endpoint: Endpoint, dialect: Dialect) -> list[str]:
    """Ask once each way and compare with what the upstream said; which way leaves out all the thinking.

    Raises SystemExit where something of the rest is missing.
    """
    where = f"{name}, {dialect.name}"
    reply = msgspec.json.decode(ask(where, endpoint, dialect, stream=False))
    if (counted := dialect.tokens(reply)) != TOKENS:
        raise SystemExit(f"{where}: usage says {counted} output tokens, the upstream counted {TOKENS}")
    stream = ask(where, endpoint, dialect, stream=True)
    lines = [line[5:] for line in stream.split(b"\n") if line.startswith(b"data:")]
    events = [msgspec.json.decode(line) for line in lines if line.strip() != b"[DONE]"]
    ways = {f"{where}, JSON": dialect.said(reply), f"{where}, stream": dialect.heard(events)}
    for way, said in ways.items():
        expect(way, said)
    return [way for way, (thinking, _) in ways.items() if not thinking]


def ask(where: str, endpoint: Endpoint, dialect: Dialect, *, stream: bool) -> bytes:
    parts = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    head, _, body = endpoint.request(dialect, stream=stream).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    connection.request("POST", parts.path + dialect.path, body, headers)
    response = connection.getresponse()
    data = response.read()
    if response.status != 200:
        raise SystemExit(f"{where} answers HTTP {response.status}: {data[:2000].decode(errors='replace')}")
    return data


def expect(where: str, said: Said) -> None:
    thinking, answer = said
    if thinking not in (THINKING, ""):
        raise SystemExit(f"{where}: the thinking isn't what the upstream sent: {thinking!r}")
    if answer != ANSWER:
        raise SystemExit(f"{where}: the answer isn't what the upstream sent: {answer!r}")
